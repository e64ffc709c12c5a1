"""What is looked at in an account's users, keys and policies.

Prowler's ids are of its checks for AWS; the controls are of "AWS Identity and Access Management controls" in the AWS
Security Hub User Guide.
"""

from __future__ import annotations

from app.agents.auditing.aws.shape import Rule
from app.domain.findings import Severity

SUMMARY, PASSWORD_POLICY, LOGIN, MFA, KEYS, KEY_USES, DETAILS, AWS_POLICIES = (
    "summary",
    "password-policy",
    "login",
    "mfa",
    "keys",
    "key-uses",
    "details",
    "aws-policies",
)
"""The facts, and the calls that give them: GetAccountSummary, GetAccountPasswordPolicy, GetLoginProfile,
ListMFADevices, ListAccessKeys, GetAccessKeyLastUsed, GetAccountAuthorizationDetails, GetPolicy and GetPolicyVersion
for policies of AWS."""

ROOT_KEYS = Rule(
    id="iam-root-access-keys",
    title="Root user has no access keys",
    severity=Severity.CRITICAL,
    remedy="Delete the root user's access keys; give programs a role.",
    detail="What holds such a key can do everything in the account, and no policy of the account limits it.",
    prowler="iam_no_root_access_key",
    security_hub=("IAM.4",),
    needs=frozenset({SUMMARY}),
)
ROOT_MFA = Rule(
    id="iam-root-mfa",
    title="Root user signs in with a second factor",
    severity=Severity.CRITICAL,
    remedy="Sign in as the root user, and register a passkey or another MFA device.",
    detail="Whoever learns the root user's password, or reads its e-mail, has the account.",
    prowler="iam_root_mfa_enabled",
    security_hub=("IAM.9",),
    needs=frozenset({SUMMARY}),
)
PASSWORD_LENGTH = Rule(
    id="iam-password-length",
    title="Console passwords have 14 characters or more",
    severity=Severity.MEDIUM,
    remedy="Set the account's password policy to a minimum length of 14 or more.",
    detail="Without a policy, AWS takes passwords of 8 characters.",
    prowler="iam_password_policy_minimum_length_14",
    security_hub=("IAM.15",),
    needs=frozenset({PASSWORD_POLICY}),
)
PASSWORD_REUSE = Rule(
    id="iam-password-reuse",
    title="Old console passwords cannot be used again",
    severity=Severity.LOW,
    remedy="Set the account's password policy to remember the last 24 passwords.",
    detail="A password that was learned once, and changed for that, must not come back.",
    prowler="iam_password_policy_reuse_24",
    security_hub=("IAM.16",),
    needs=frozenset({PASSWORD_POLICY}),
)
USER_MFA = Rule(
    id="iam-user-mfa",
    title="User with a console password has a second factor",
    severity=Severity.HIGH,
    remedy="Have the user register an MFA device, or delete the password where nobody signs in with it.",
    detail="A password alone is guessed, fished for or found in a leak.",
    prowler="iam_user_mfa_enabled_console_access",
    security_hub=("IAM.5",),
    needs=frozenset({LOGIN, MFA}),
)
KEY_AGE = Rule(
    id="iam-key-age",
    title="Access keys are not older than 90 days",
    severity=Severity.MEDIUM,
    remedy="Make a new key, have the programs use it, then delete the old one; better, use a role.",
    detail="The longer a key is in use, the more places it lies in.",
    prowler="iam_rotate_access_key_90_days",
    security_hub=("IAM.3",),
    needs=frozenset({KEYS}),
)
KEY_UNUSED = Rule(
    id="iam-key-unused",
    title="Access keys were used in the last 90 days",
    severity=Severity.MEDIUM,
    remedy="Deactivate the key, and delete it when nobody misses it.",
    detail="A key that nobody uses is one whose misuse nobody sees.",
    prowler="iam_user_accesskey_unused",
    security_hub=("IAM.8",),
    needs=frozenset({KEYS, KEY_USES}),
)
SEVERAL_KEYS = Rule(
    id="iam-several-keys",
    title="User has one active access key at most",
    severity=Severity.LOW,
    remedy="Delete the key that is not needed; two are for the time of a change from one to the other.",
    prowler="iam_user_two_active_access_key",
    needs=frozenset({KEYS}),
)
ADMINISTRATOR_POLICY = Rule(
    id="iam-administrator-policy",
    title="Managed policy makes no administrators",
    severity=Severity.HIGH,
    remedy="Name the actions and resources that are needed, and leave changing policies to administrators.",
    detail="Who may change any policy has all permissions, whatever else the policy says, by wildcards or not. "
    "That it may change those of some users or roles is told, and does not count.",
    prowler="iam_customer_attached_policy_no_administrative_privileges",
    security_hub=("IAM.1",),
    needs=frozenset({DETAILS}),
)
INLINE_ADMINISTRATOR = Rule(
    id="iam-inline-administrator",
    title="Inline policies make no administrators",
    severity=Severity.HIGH,
    remedy="Name the actions and resources that are needed, and leave changing policies to administrators.",
    detail="An inline policy stands in no list of policies: it is easily overlooked.",
    prowler="iam_inline_policy_no_administrative_privileges",
    needs=frozenset({DETAILS}),
)
USER_ADMINISTRATOR = Rule(
    id="iam-user-administrator",
    title="User has no administrator policy attached directly",
    severity=Severity.HIGH,
    remedy="Have people take on a role for administration, for a time and with a second factor.",
    detail="A user's keys and password do not expire: whoever has them is administrator for good.",
    prowler="iam_user_administrator_access_policy",
    needs=frozenset({DETAILS, AWS_POLICIES}),
)

OF_ACCOUNT = (ROOT_KEYS, ROOT_MFA, PASSWORD_LENGTH, PASSWORD_REUSE)
OF_USERS = (USER_MFA, KEY_AGE, KEY_UNUSED, SEVERAL_KEYS)
OF_POLICIES = (ADMINISTRATOR_POLICY, INLINE_ADMINISTRATOR, USER_ADMINISTRATOR)
RULES = (*OF_ACCOUNT, *OF_USERS, *OF_POLICIES)
