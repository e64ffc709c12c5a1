"""Audits security groups on moto's server: what is found, and what each denied call leaves unknown."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from app.agents.auditing.aws.ec2.rules import (
    DEFAULT_GROUP,
    OPEN_ADMINISTRATION,
    OPEN_DATABASES,
    OPEN_PORTS,
    RULES,
)
from app.agents.auditing.aws.ec2.scanner import EC2Scanner
from app.agents.auditing.aws.errors import AWSError, Denied
from app.domain.findings import AuditVerdict, Severity
from tests.agents.auditing.aws.accounts import REGION
from tests.agents.auditing.aws.denying import BROKEN, NOTHING, SLOW_DOWN, UNAUTHORIZED, Asked, Reply

if TYPE_CHECKING:
    from app.agents.auditing.aws.shape import Judgement
    from tests.agents.auditing.aws.accounts import Audited

P, F, U = AuditVerdict.PASS, AuditVerdict.FAIL, AuditVerdict.UNKNOWN
ANYBODY = [{"CidrIp": "0.0.0.0/0"}]
PORTS = (OPEN_ADMINISTRATION.id, OPEN_DATABASES.id, OPEN_PORTS.id)


def tcp(first: int, last: int = 0, **sources: Any) -> dict[str, Any]:
    return {"IpProtocol": "tcp", "FromPort": first, "ToPort": last or first, **sources}


class Seeded:
    """A VPC in a region with one group of each kind, by their names."""

    def __init__(self, aws: Audited, region: str = REGION) -> None:
        """Make it."""
        self.ec2 = aws.client("ec2", region)
        self.vpc = self.ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        self.subnet = self.ec2.create_subnet(VpcId=self.vpc, CidrBlock="10.0.1.0/24")["Subnet"]["SubnetId"]
        self.prefixes = self.ec2.create_managed_prefix_list(
            PrefixListName="office", MaxEntries=2, AddressFamily="IPv4", Entries=[{"Cidr": "198.51.100.0/24"}]
        )["PrefixList"]["PrefixListId"]
        halves = [{"CidrIp": "0.0.0.0/1"}, {"CidrIp": "128.0.0.0/1"}]
        self.groups = {
            "ssh": self.group("ssh", tcp(22, IpRanges=ANYBODY)),
            "rdp6": self.group("rdp6", tcp(3389, Ipv6Ranges=[{"CidrIpv6": "::/0"}])),
            "mysql": self.group("mysql", tcp(3306, IpRanges=halves)),
            "all": self.group("all", {"IpProtocol": "-1", "IpRanges": ANYBODY}),
            "office": self.group("office", tcp(22, PrefixListIds=[{"PrefixListId": self.prefixes}])),
            "web": self.group("web", tcp(443, IpRanges=ANYBODY)),
        }
        self.default = self.ec2.describe_security_groups(
            Filters=[{"Name": "vpc-id", "Values": [self.vpc]}, {"Name": "group-name", "Values": ["default"]}]
        )["SecurityGroups"][0]["GroupId"]
        self.attach("ssh")

    def group(self, name: str, permission: dict[str, Any]) -> str:
        made = self.ec2.create_security_group(GroupName=name, Description=name, VpcId=self.vpc)["GroupId"]
        self.ec2.authorize_security_group_ingress(GroupId=made, IpPermissions=[permission])
        return str(made)

    def attach(self, name: str) -> None:
        self.ec2.create_network_interface(SubnetId=self.subnet, Groups=[self.groups[name]])


EXPECTED = {
    "ssh": (F, P, P),
    "rdp6": (F, P, P),
    "mysql": (P, F, P),
    "all": (F, F, F),
    "office": (P, P, P),
    "web": (P, P, P),
}


def of(found: dict[tuple[str, str], Judgement], group: str) -> dict[str, Judgement]:
    """Return the judgements of a group by their rules."""
    return {rule: each for (rule, resource), each in found.items() if resource.endswith(f"/{group}")}


def answered(groups: str, more: str = "") -> str:
    """Return an answer of DescribeSecurityGroups."""
    told = f"<securityGroupInfo>{groups}</securityGroupInfo>{f'<nextToken>{more}</nextToken>' if more else ''}"
    return f"<DescribeSecurityGroupsResponse>{told}</DescribeSecurityGroupsResponse>"


@pytest.fixture
def seeded(aws: Audited) -> Seeded:
    """Give the account's groups."""
    return Seeded(aws)


async def test_groups_are_judged_as_they_are(aws: Audited, seeded: Seeded) -> None:
    """Each kind of group has the verdict that it was made for, under its ARN."""
    found = await aws.audit(EC2Scanner(), regions=[REGION])

    for name, group in seeded.groups.items():
        assert tuple(of(found, group)[rule].verdict for rule in PORTS) == EXPECTED[name], name
        assert of(found, group)[DEFAULT_GROUP.id].verdict is P
    assert of(found, seeded.default)[DEFAULT_GROUP.id].verdict is F
    one = of(found, seeded.groups["ssh"])[OPEN_ADMINISTRATION.id]
    assert one.resource == f"arn:aws:ec2:{REGION}:{aws.id}:security-group/{seeded.groups['ssh']}"
    assert (one.account, one.region) == (aws.id, REGION)
    assert one.why == "SSH (tcp 22) is open to 0.0.0.0/0. It is attached to 1 network interface."
    assert one.evidence == "tcp 22 from 0.0.0.0/0"


async def test_what_is_attached_to_nothing_is_lower(aws: Audited, seeded: Seeded) -> None:
    """The group that is in use keeps the rule's severity."""
    found = await aws.audit(EC2Scanner(), regions=[REGION])

    assert of(found, seeded.groups["ssh"])[OPEN_ADMINISTRATION.id].severity is None
    assert of(found, seeded.groups["all"])[OPEN_PORTS.id].severity is Severity.LOW
    assert of(found, seeded.default)[DEFAULT_GROUP.id].severity is Severity.INFO
    assert aws.proxy.count("ec2:DescribeNetworkInterfaces") == 1


@pytest.mark.parametrize("reply", [UNAUTHORIZED, SLOW_DOWN, BROKEN], ids=lambda reply: reply.code)
async def test_without_interfaces_the_severity_stays(aws: Audited, seeded: Seeded, reply: Reply) -> None:
    """No verdict changes, and it is said that the use is not known."""
    before = await aws.audit(EC2Scanner(), regions=[REGION])
    aws.proxy.answers["ec2:DescribeNetworkInterfaces"] = reply

    found = await aws.audit(EC2Scanner(), regions=[REGION])

    assert {key: each.verdict for key, each in found.items()} == {key: each.verdict for key, each in before.items()}
    one = of(found, seeded.groups["all"])[OPEN_PORTS.id]
    assert one.severity is None
    assert "Whether it is in use is not known: ec2:DescribeNetworkInterfaces" in one.why


async def test_without_prefix_lists_only_who_names_one_is_unknown(aws: Audited, seeded: Seeded) -> None:
    """The group that opens SSH to a list is unknown for SSH, by the denied call's name; all else is as before."""
    before = await aws.audit(EC2Scanner(), regions=[REGION])
    aws.proxy.answers["ec2:GetManagedPrefixListEntries"] = UNAUTHORIZED

    found = await aws.audit(EC2Scanner(), regions=[REGION])

    changed = {key for key, each in found.items() if each.verdict is not before[key].verdict}
    one = of(found, seeded.groups["office"])[OPEN_ADMINISTRATION.id]
    assert changed == {(one.rule, one.resource)}
    assert one.verdict is U
    assert one.why.endswith(f"what {seeded.prefixes} holds could not be read (ec2:GetManagedPrefixListEntries denied).")


@pytest.mark.parametrize(
    ("reply", "word"), [(UNAUTHORIZED, "denied"), (SLOW_DOWN, "throttled"), (BROKEN, "out of order")]
)
async def test_without_groups_all_is_unknown(aws: Audited, seeded: Seeded, reply: Reply, word: str) -> None:
    """A region whose groups cannot be read has one unknown judgement for each rule, which names the call."""
    del seeded
    aws.proxy.answers["ec2:DescribeSecurityGroups"] = reply

    found = await aws.audit(EC2Scanner(), regions=[REGION])

    everywhere = f"arn:aws:ec2:{REGION}:{aws.id}:security-group/*"
    assert set(found) == {(rule.id, everywhere) for rule in RULES}
    assert {each.verdict for each in found.values()} == {U}
    assert {each.why for each in found.values()} == {
        f"Not all security groups could be read: ec2:DescribeSecurityGroups {word}."
    }


async def test_an_answer_that_is_none_leaves_all_unknown(aws: Audited, seeded: Seeded) -> None:
    """A group without an id is an answer that is not understood, and no pass."""
    del seeded
    aws.proxy.answers["ec2:DescribeSecurityGroups"] = Reply(200, body=answered("<item/>"))

    found = await aws.audit(EC2Scanner(), regions=[REGION])

    assert {each.verdict for each in found.values()} == {U}
    assert len(found) == len(RULES)


async def test_pages_that_were_read_count(aws: Audited) -> None:
    """Where the second page is denied, the groups of the first are judged and the rest is unknown."""
    item = (
        "<item><groupId>sg-1</groupId><groupName>a</groupName><ipPermissions><item><ipProtocol>tcp</ipProtocol>"
        "<fromPort>22</fromPort><toPort>22</toPort><ipRanges><item><cidrIp>0.0.0.0/0</cidrIp></item></ipRanges></item>"
        "</ipPermissions></item>"
    )

    def by_page(asked: Asked) -> None:
        page = UNAUTHORIZED if "NextToken=2" in asked.body else Reply(200, body=answered(item, "2"))
        aws.proxy.answers["ec2:DescribeSecurityGroups"] = page

    aws.proxy.before = by_page

    found = await aws.audit(EC2Scanner(), [OPEN_ADMINISTRATION.id], [REGION])

    assert {resource.rpartition("/")[2]: each.verdict for (_, resource), each in found.items()} == {"sg-1": F, "*": U}


async def test_there_is_a_unit_for_each_enabled_region(aws: Audited) -> None:
    """All regions that the account has are looked at, each once, and each group where it is."""
    other = Seeded(aws, "eu-central-1")

    units = await aws.units(EC2Scanner())
    found = [
        each for unit in units if unit.region == "eu-central-1" for each in await EC2Scanner().judge(aws.context, unit)
    ]

    regions = {each["RegionName"] for each in aws.client("ec2").describe_regions()["Regions"]}
    assert {each.region for each in units} == regions
    assert len({each.id for each in units}) == len(units) == len(regions)
    assert {f"arn:aws:ec2:eu-central-1:{aws.id}:security-group/{each}" for each in other.groups.values()} <= {
        each.resource for each in found
    }


async def test_units_are_the_same_again(aws: Audited) -> None:
    """They have the same ids and order, and name the wanted rules alone."""
    first = await aws.units(EC2Scanner(), [OPEN_PORTS.id, "s3-public-policy"])
    second = await aws.units(EC2Scanner(), [OPEN_PORTS.id, "s3-public-policy"])

    assert first == second
    assert {each.rules for each in first} == {(OPEN_PORTS.id,)}
    assert await aws.units(EC2Scanner(), ["s3-public-policy"]) == []


async def test_without_regions_ones_own_is_looked_at(aws: Audited) -> None:
    """Where regions cannot be listed, the context's is yielded, and then the denied call is raised."""
    aws.proxy.answers["ec2:DescribeRegions"] = UNAUTHORIZED
    units = EC2Scanner().units(aws.context, [OPEN_PORTS.id], [])

    first = await anext(units)
    with pytest.raises(Denied) as denied:
        await anext(units)

    assert first.region == REGION
    assert denied.value.operation == "ec2:DescribeRegions"


async def test_regions_that_are_named_are_not_asked_for(aws: Audited) -> None:
    """Who names regions needs no right to list them."""
    aws.proxy.answers["ec2:DescribeRegions"] = UNAUTHORIZED

    units = await aws.units(EC2Scanner(), regions=["eu-west-1", "eu-west-1", REGION])

    assert [each.region for each in units] == ["eu-west-1", REGION]


async def test_regions_that_do_not_answer_raise(aws: Audited) -> None:
    """A service that hangs up is told as what it is."""
    aws.proxy.answers["ec2:DescribeRegions"] = BROKEN

    with pytest.raises(AWSError, match="ec2:DescribeRegions"):
        await aws.units(EC2Scanner())


async def test_a_single_group_can_be_judged_again(aws: Audited, seeded: Seeded) -> None:
    """A unit that names groups is about those; one that is gone has no judgement."""
    (unit,) = await aws.units(EC2Scanner(), [OPEN_ADMINISTRATION.id], [REGION])
    ssh, rdp = seeded.groups["ssh"], seeded.groups["rdp6"]
    again = type(unit)(unit.id, unit.service, unit.account, unit.region, (ssh, rdp), unit.rules)
    seeded.ec2.delete_security_group(GroupId=rdp)

    found = await EC2Scanner().judge(aws.context, again)

    assert [(each.resource.rpartition("/")[2], each.verdict) for each in found] == [(ssh, F)]


async def test_only_what_is_needed_is_asked(aws: Audited) -> None:
    """Where no group fails, nobody asks for interfaces; where none names a prefix list, none is read."""
    found = await aws.audit(EC2Scanner(), PORTS, [REGION])

    assert {each.verdict for each in found.values()} == {P}
    assert dict(aws.proxy.counts) == {"ec2:DescribeSecurityGroups": 1}
    assert "MaxResults=1000" in aws.proxy.asked[0].body


async def test_silence_ends_with_the_caller(aws: Audited, seeded: Seeded) -> None:
    """A service that never answers holds nothing up once its audit is cancelled."""
    del seeded
    aws.proxy.answers["ec2:DescribeSecurityGroups"] = NOTHING
    (unit,) = await aws.units(EC2Scanner(), regions=[REGION])

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await EC2Scanner().judge(aws.context, unit)
