"""What is looked at in each security group.

Prowler's ids are of its checks for AWS; the controls are of "Amazon EC2 controls" in the AWS Security Hub User Guide.
"""

from __future__ import annotations

from dataclasses import dataclass

from app.agents.auditing.aws.shape import Rule
from app.domain.findings import Severity

GROUPS, INTERFACES, PREFIX_LISTS = "groups", "interfaces", "prefix-lists"
"""The facts, and the calls that give them: DescribeSecurityGroups, DescribeNetworkInterfaces,
GetManagedPrefixListEntries."""


@dataclass(frozen=True, slots=True)
class Port:
    """What listens on a port.

    Attributes:
        number: The port.
        name: What people call it.
        protocols: Over which it speaks: `tcp`, `udp`.
    """

    number: int
    name: str
    protocols: tuple[str, ...] = ("tcp",)


ADMINISTRATION = (
    Port(22, "SSH"),
    Port(23, "Telnet"),
    Port(445, "SMB"),
    Port(2375, "Docker"),
    Port(2376, "Docker over TLS"),
    Port(3389, "RDP"),
    Port(5900, "VNC"),
    Port(5985, "WinRM"),
    Port(5986, "WinRM over TLS"),
    Port(10250, "kubelet"),
)
DATABASES = (
    Port(1433, "SQL Server"),
    Port(1434, "SQL Server Browser", ("tcp", "udp")),
    Port(1521, "Oracle"),
    Port(2379, "etcd"),
    Port(3306, "MySQL"),
    Port(5432, "PostgreSQL"),
    Port(5439, "Redshift"),
    Port(5984, "CouchDB"),
    Port(6379, "Redis"),
    Port(7000, "Cassandra between nodes"),
    Port(8086, "InfluxDB"),
    Port(9042, "Cassandra"),
    Port(9200, "Elasticsearch"),
    Port(9300, "Elasticsearch between nodes"),
    Port(11211, "memcached", ("tcp", "udp")),
    Port(27017, "MongoDB"),
    Port(27018, "MongoDB shard"),
    Port(27019, "MongoDB configuration"),
)

_NEEDS = frozenset({GROUPS, INTERFACES, PREFIX_LISTS})

OPEN_ADMINISTRATION = Rule(
    id="ec2-open-administration",
    title="Security group opens no port for administration to the world",
    severity=Severity.HIGH,
    remedy="Allow the addresses that need it alone, or use Session Manager or EC2 Instance Connect and close the port.",
    detail="Whoever scans the internet finds the port within minutes, and tries passwords and known faults on it.",
    prowler="ec2_securitygroup_allow_ingress_from_internet_to_tcp_port_22",
    security_hub=("EC2.13", "EC2.14", "EC2.19", "EC2.53", "EC2.54"),
    needs=_NEEDS,
)
OPEN_DATABASES = Rule(
    id="ec2-open-databases",
    title="Security group opens no database to the world",
    severity=Severity.HIGH,
    remedy="Allow the security groups of the applications that need the database, and no addresses.",
    detail="Databases and caches are seldom made to be reached by strangers, and many ask for no password at first.",
    prowler="ec2_securitygroup_allow_ingress_from_internet_to_high_risk_tcp_ports",
    security_hub=("EC2.19",),
    needs=_NEEDS,
)
OPEN_PORTS = Rule(
    id="ec2-open-ports",
    title="Security group does not open all ports to the world",
    severity=Severity.CRITICAL,
    remedy="Allow the ports that are served, each by a rule of its own.",
    detail="Whatever begins to listen there, now or later, is in the internet at once.",
    prowler="ec2_securitygroup_allow_ingress_from_internet_to_all_ports",
    security_hub=("EC2.18", "EC2.19"),
    needs=_NEEDS,
)
DEFAULT_GROUP = Rule(
    id="ec2-default-group",
    title="Default security group of a VPC has no rules",
    severity=Severity.MEDIUM,
    remedy="Give what uses it a group of its own, then delete the default group's rules.",
    detail="What is made without naming a group gets this one, and with it whatever it allows.",
    prowler="ec2_securitygroup_default_restrict_traffic",
    security_hub=("EC2.2",),
    needs=frozenset({GROUPS, INTERFACES}),
)

RULES = (OPEN_ADMINISTRATION, OPEN_DATABASES, OPEN_PORTS, DEFAULT_GROUP)
PORTS = {OPEN_ADMINISTRATION.id: ADMINISTRATION, OPEN_DATABASES.id: DATABASES}
"""The ports that a rule is about, by its id."""
