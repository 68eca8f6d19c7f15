//! Every check of `doctor`: its id, its question, its calls, and the worst level that it can report.
//!
//! `doctor --list-checks` prints this table, and the one in docs/operating.md is written from it.

use serde::{Serialize, Serializer};

use super::level::Level;

/// A section of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Area {
    User,
    Email,
    Sms,
    Triggers,
    History,
}

impl Area {
    /// In the order in which the report shows them.
    pub(super) const ALL: [Self; 5] = [Self::User, Self::Email, Self::Sms, Self::Triggers, Self::History];

    pub(super) fn title(self) -> &'static str {
        match self {
            Self::User => "User and user pool",
            Self::Email => "Email",
            Self::Sms => "SMS",
            Self::Triggers => "Lambda triggers",
            Self::History => "History",
        }
    }

    /// The position in the chain from the request to the mailbox: an earlier problem hides the later ones.
    pub(super) fn position(self) -> u8 {
        match self {
            Self::User => 0,
            Self::Triggers => 1,
            Self::Email => 2,
            Self::Sms => 3,
            Self::History => 4,
        }
    }
}

/// One call to AWS. The IAM action has the name of the operation, behind the prefix of the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Call {
    service: &'static str,
    pub(super) operation: &'static str,
}

impl Call {
    const fn new(service: &'static str, operation: &'static str) -> Self {
        Self { service, operation }
    }

    /// The permission that the caller needs.
    pub(super) fn action(self) -> String {
        format!("{}:{}", self.service, self.operation)
    }
}

const ADMIN_GET_USER: Call = Call::new("cognito-idp", "AdminGetUser");
const DESCRIBE_USER_POOL: Call = Call::new("cognito-idp", "DescribeUserPool");
const DESCRIBE_USER_POOL_CLIENT: Call = Call::new("cognito-idp", "DescribeUserPoolClient");
const GET_LOG_DELIVERY_CONFIGURATION: Call = Call::new("cognito-idp", "GetLogDeliveryConfiguration");
const LIST_USER_POOL_CLIENTS: Call = Call::new("cognito-idp", "ListUserPoolClients");
const LIST_USERS: Call = Call::new("cognito-idp", "ListUsers");

const DESCRIBE_STACKS: Call = Call::new("cloudformation", "DescribeStacks");

const GET_FUNCTION_CONCURRENCY: Call = Call::new("lambda", "GetFunctionConcurrency");
const GET_FUNCTION_CONFIGURATION: Call = Call::new("lambda", "GetFunctionConfiguration");
const GET_FUNCTION_EVENT_INVOKE_CONFIG: Call = Call::new("lambda", "GetFunctionEventInvokeConfig");
const GET_POLICY: Call = Call::new("lambda", "GetPolicy");

const DESCRIBE_KEY: Call = Call::new("kms", "DescribeKey");
const GET_KEY_POLICY: Call = Call::new("kms", "GetKeyPolicy");
const LIST_GRANTS: Call = Call::new("kms", "ListGrants");
const SIMULATE_PRINCIPAL_POLICY: Call = Call::new("iam", "SimulatePrincipalPolicy");

const GET_ACCOUNT: Call = Call::new("ses", "GetAccount");
const GET_CONFIGURATION_SET: Call = Call::new("ses", "GetConfigurationSet");
const GET_EMAIL_IDENTITY: Call = Call::new("ses", "GetEmailIdentity");
const GET_SUPPRESSED_DESTINATION: Call = Call::new("ses", "GetSuppressedDestination");

const CHECK_IF_PHONE_NUMBER_IS_OPTED_OUT: Call = Call::new("sns", "CheckIfPhoneNumberIsOptedOut");
const GET_SMS_ATTRIBUTES: Call = Call::new("sns", "GetSMSAttributes");
const GET_SMS_SANDBOX_ACCOUNT_STATUS: Call = Call::new("sns", "GetSMSSandboxAccountStatus");
const LIST_ORIGINATION_NUMBERS: Call = Call::new("sns", "ListOriginationNumbers");
const LIST_SMS_SANDBOX_PHONE_NUMBERS: Call = Call::new("sns", "ListSMSSandboxPhoneNumbers");

const DESCRIBE_ACCOUNT_ATTRIBUTES: Call = Call::new("sms-voice", "DescribeAccountAttributes");
const DESCRIBE_OPTED_OUT_NUMBERS: Call = Call::new("sms-voice", "DescribeOptedOutNumbers");
const DESCRIBE_PHONE_NUMBERS: Call = Call::new("sms-voice", "DescribePhoneNumbers");
const DESCRIBE_POOLS: Call = Call::new("sms-voice", "DescribePools");
const DESCRIBE_SPEND_LIMITS: Call = Call::new("sms-voice", "DescribeSpendLimits");
const DESCRIBE_VERIFIED_DESTINATION_NUMBERS: Call =
    Call::new("sms-voice", "DescribeVerifiedDestinationNumbers");

const GET_METRIC_DATA: Call = Call::new("cloudwatch", "GetMetricData");
const FILTER_LOG_EVENTS: Call = Call::new("logs", "FilterLogEvents");
const GET_QUEUE_ATTRIBUTES: Call = Call::new("sqs", "GetQueueAttributes");
/// Only the role of the on-failure queue can receive its messages, and that role has the permission.
const ASSUME_ROLE: Call = Call::new("sts", "AssumeRole");

/// One check, as data.
#[derive(Debug)]
pub(super) struct Check {
    /// `area.question`: its name in `--format json`.
    pub(super) name: &'static str,
    pub(super) area: Area,
    /// One line.
    pub(super) question: &'static str,
    /// The worst level that it reports.
    pub(super) worst: Level,
    pub(super) calls: &'static [Call],
    /// The calls if the sender uses AWS End User Messaging SMS and not SNS.
    pub(super) end_user_messaging: &'static [Call],
    /// The types of the DNS records that it looks up.
    pub(super) dns: &'static [&'static str],
}

impl Check {
    const fn new(
        name: &'static str,
        area: Area,
        worst: Level,
        question: &'static str,
        calls: &'static [Call],
    ) -> Self {
        Self { name, area, question, worst, calls, end_user_messaging: &[], dns: &[] }
    }

    const fn or_end_user_messaging(self, calls: &'static [Call]) -> Self {
        Self { end_user_messaging: calls, ..self }
    }

    const fn with_dns(self, dns: &'static [&'static str]) -> Self {
        Self { dns, ..self }
    }

    /// Where the documentation describes it.
    pub(super) fn docs(&self) -> String {
        format!("docs/operating.md#check-{}", self.name.replace('.', "-"))
    }
}

/// Generates the enum of the ids, the list of all ids, and the mapping from an id to its check from one table.
macro_rules! checks {
    ($($id:ident = $check:expr;)*) => {
        /// The id of a check.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub(super) enum CheckId {
            $($id,)*
        }

        impl CheckId {
            pub(super) const ALL: &'static [Self] = &[$(Self::$id,)*];

            pub(super) const fn check(self) -> &'static Check {
                match self {
                    $(Self::$id => {
                        const CHECK: Check = $check;
                        &CHECK
                    })*
                }
            }
        }
    };
}

impl Serialize for CheckId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.check().name)
    }
}

checks! {
    StackFound = Check::new("stack.found", Area::User, Level::NotChecked,
        "Which stack do the triggers belong to?", &[DESCRIBE_STACKS, GET_FUNCTION_CONFIGURATION]);

    UserPool = Check::new("user.pool", Area::User, Level::NotChecked,
        "Which sign-in attributes does the user pool accept?", &[DESCRIBE_USER_POOL]);
    UserFound = Check::new("user.found", Area::User, Level::Cause,
        "Does this user pool have such a user?", &[LIST_USERS, ADMIN_GET_USER]);
    UserSearch = Check::new("user.search", Area::User, Level::NotChecked,
        "Were all ways to find the user available?", &[LIST_USERS, ADMIN_GET_USER]);
    UserSameAddress = Check::new("user.same-address", Area::User, Level::Warning,
        "Do several users have this address, and which of them does a sign-in select?", &[LIST_USERS]);
    UserAlias = Check::new("user.alias", Area::User, Level::Warning,
        "Can an app pass the address as the username?", &[DESCRIBE_USER_POOL]);
    UserSpelling = Check::new("user.spelling", Area::User, Level::Warning,
        "Are usernames case-sensitive?", &[DESCRIBE_USER_POOL]);
    UserEnabled = Check::new("user.enabled", Area::User, Level::Cause,
        "Is the user enabled?", &[LIST_USERS]);
    UserStatus = Check::new("user.status", Area::User, Level::Cause,
        "What does the user's status permit?", &[LIST_USERS]);
    UserInvitation = Check::new("user.invitation", Area::User, Level::Cause,
        "Has the temporary password expired?", &[LIST_USERS, DESCRIBE_USER_POOL]);
    UserEmail = Check::new("user.email", Area::User, Level::Warning,
        "Does the user have a verified email address?", &[LIST_USERS]);
    UserPhone = Check::new("user.phone", Area::User, Level::Warning,
        "Does the user have a verified phone number?", &[LIST_USERS]);
    UserSecondFactors = Check::new("user.second-factors", Area::User, Level::Cause,
        "Does MFA send codes to this user, and where? (Not called if MFA is off.)", &[ADMIN_GET_USER]);
    UserRecovery = Check::new("user.recovery", Area::User, Level::Cause,
        "Where does `ForgotPassword` send its code?", &[DESCRIBE_USER_POOL]);
    UserSignUpCode = Check::new("user.sign-up-code", Area::User, Level::Cause,
        "Where does `SignUp` send its code?", &[DESCRIBE_USER_POOL]);

    ClientFound = Check::new("client.found", Area::User, Level::Cause,
        "Which app clients does the user pool have?", &[LIST_USER_POOL_CLIENTS]);
    ClientErrors = Check::new("client.errors", Area::User, Level::Ok,
        "What does an app client return for an unknown user?", &[DESCRIBE_USER_POOL_CLIENT]);
    ClientSecret = Check::new("client.secret", Area::User, Level::Ok,
        "Does an app client need `SECRET_HASH`?", &[DESCRIBE_USER_POOL_CLIENT]);

    EmailSender = Check::new("email.sender", Area::Email, Level::Cause,
        "What sends the emails, from which address, through which SES?",
        &[DESCRIBE_USER_POOL, GET_FUNCTION_CONFIGURATION]);
    EmailConfigurationFailure = Check::new("email.configuration-failure", Area::Email, Level::Cause,
        "Does Cognito report that it couldn't send email?", &[DESCRIBE_USER_POOL]);
    EmailCustomMessage = Check::new("email.custom-message", Area::Email, Level::Cause,
        "Does Cognito accept the texts of custom-message?", &[DESCRIBE_USER_POOL, GET_FUNCTION_CONFIGURATION]);
    EmailSending = Check::new("email.sending", Area::Email, Level::Cause,
        "Is sending paused for the account?", &[GET_ACCOUNT]);
    EmailStanding = Check::new("email.standing", Area::Email, Level::Cause,
        "Has AWS put the account under review or stopped it?", &[GET_ACCOUNT]);
    EmailSandbox = Check::new("email.sandbox", Area::Email, Level::Cause,
        "Does the account have production access, or is the recipient verified?", &[GET_ACCOUNT, GET_EMAIL_IDENTITY]);
    EmailQuota = Check::new("email.quota", Area::Email, Level::Cause,
        "How much of the 24-hour sending quota is used?", &[GET_ACCOUNT]);
    EmailIdentity = Check::new("email.identity", Area::Email, Level::Cause,
        "Is the sender's identity verified?", &[GET_EMAIL_IDENTITY]);
    EmailDkim = Check::new("email.dkim", Area::Email, Level::Warning,
        "Are the emails signed with DKIM?", &[GET_EMAIL_IDENTITY]);
    EmailMailFrom = Check::new("email.mail-from", Area::Email, Level::Cause,
        "Does the custom MAIL FROM domain work?", &[GET_EMAIL_IDENTITY]);
    EmailConfigurationSet = Check::new("email.configuration-set", Area::Email, Level::Cause,
        "Does the configuration set exist and send?", &[GET_CONFIGURATION_SET]);
    EmailDmarc = Check::new("email.dmarc", Area::Email, Level::Cause,
        "Does the sender's domain have a DMARC record, and do the emails pass it?", &[]).with_dns(&["TXT"]);
    EmailFallback = Check::new("email.fallback", Area::Email, Level::Warning,
        "Can the fallback SES route send?", &[GET_ACCOUNT, GET_EMAIL_IDENTITY, GET_CONFIGURATION_SET]);
    EmailAddress = Check::new("email.address", Area::Email, Level::Cause,
        "Does SES accept the format of the address?", &[]);
    EmailDenied = Check::new("email.denied", Area::Email, Level::Cause,
        "Does custom-email-sender block the address's domain?", &[GET_FUNCTION_CONFIGURATION]);
    EmailSuppressed = Check::new("email.suppressed", Area::Email, Level::Cause,
        "Is the address on the SES suppression list?", &[GET_SUPPRESSED_DESTINATION]);
    EmailMailbox = Check::new("email.mailbox", Area::Email, Level::Cause,
        "Does the address's domain receive email?", &[]).with_dns(&["MX", "A", "AAAA"]);

    SmsSender = Check::new("sms.sender", Area::Sms, Level::Cause,
        "What sends the SMS, through which service?", &[DESCRIBE_USER_POOL, GET_FUNCTION_CONFIGURATION]);
    SmsConfigurationFailure = Check::new("sms.configuration-failure", Area::Sms, Level::Cause,
        "Does Cognito report that it couldn't send SMS?", &[DESCRIBE_USER_POOL]);
    SmsNumber = Check::new("sms.number", Area::Sms, Level::Cause,
        "Is the number in E.164 format?", &[]);
    SmsCountry = Check::new("sms.country", Area::Sms, Level::Cause,
        "Does custom-sms-sender allow the number's country?", &[GET_FUNCTION_CONFIGURATION]);
    SmsDenied = Check::new("sms.denied", Area::Sms, Level::Cause,
        "Does custom-sms-sender block the domain of the user's email address?", &[GET_FUNCTION_CONFIGURATION]);
    SmsSpend = Check::new("sms.spend", Area::Sms, Level::Cause,
        "How much of the month's SMS spend limit is used?", &[GET_SMS_ATTRIBUTES, GET_METRIC_DATA])
        .or_end_user_messaging(&[DESCRIBE_SPEND_LIMITS, GET_METRIC_DATA]);
    SmsSandbox = Check::new("sms.sandbox", Area::Sms, Level::Cause,
        "Is the account in the SMS sandbox, and is the number verified there?",
        &[GET_SMS_SANDBOX_ACCOUNT_STATUS, LIST_SMS_SANDBOX_PHONE_NUMBERS])
        .or_end_user_messaging(&[DESCRIBE_ACCOUNT_ATTRIBUTES, DESCRIBE_VERIFIED_DESTINATION_NUMBERS]);
    SmsOptedOut = Check::new("sms.opted-out", Area::Sms, Level::Cause,
        "Has the number opted out?", &[CHECK_IF_PHONE_NUMBER_IS_OPTED_OUT])
        .or_end_user_messaging(&[DESCRIBE_OPTED_OUT_NUMBERS]);
    SmsOrigination = Check::new("sms.origination", Area::Sms, Level::Cause,
        "Is there an active origination identity for the number's country?", &[LIST_ORIGINATION_NUMBERS])
        .or_end_user_messaging(&[DESCRIBE_PHONE_NUMBERS, DESCRIBE_POOLS]);
    SmsType = Check::new("sms.type", Area::Sms, Level::Warning,
        "Is `Transactional` the default SMS type?", &[GET_SMS_ATTRIBUTES]);
    SmsLimits = Check::new("sms.limits", Area::Sms, Level::Ok,
        "Which SMS limits does custom-sms-sender have?", &[GET_FUNCTION_CONFIGURATION]);

    TriggersAttached = Check::new("triggers.attached", Area::Triggers, Level::Warning,
        "Which functions does the user pool invoke, and do they belong to the stack?",
        &[DESCRIBE_USER_POOL, DESCRIBE_STACKS]);
    TriggersChannel = Check::new("triggers.channel", Area::Triggers, Level::Warning,
        "Does exactly one function write the messages of a channel?", &[DESCRIBE_USER_POOL]);
    TriggersFunction = Check::new("triggers.function", Area::Triggers, Level::Cause,
        "Can Lambda run the function?", &[GET_FUNCTION_CONFIGURATION, GET_FUNCTION_CONCURRENCY]);
    TriggersSettings = Check::new("triggers.settings", Area::Triggers, Level::Cause,
        "Does the function start with its settings?", &[GET_FUNCTION_CONFIGURATION]);
    TriggersPermission = Check::new("triggers.permission", Area::Triggers, Level::Cause,
        "Can Cognito invoke the function for this user pool?", &[GET_POLICY]);
    TriggersRetries = Check::new("triggers.retries", Area::Triggers, Level::Warning,
        "How often does Lambda retry an event, and where does a failed event go?",
        &[GET_FUNCTION_EVENT_INVOKE_CONFIG]);
    TriggersKey = Check::new("triggers.key", Area::Triggers, Level::Cause,
        "Do the user pool and the senders use the same KMS key?", &[DESCRIBE_USER_POOL, GET_FUNCTION_CONFIGURATION]);
    TriggersKeyState = Check::new("triggers.key-state", Area::Triggers, Level::Cause,
        "Is the KMS key usable?", &[DESCRIBE_KEY]);
    TriggersGrant = Check::new("triggers.grant", Area::Triggers, Level::Cause,
        "Can Cognito encrypt with the key for this user pool?", &[LIST_GRANTS, GET_KEY_POLICY]);
    TriggersDecrypt = Check::new("triggers.decrypt", Area::Triggers, Level::Cause,
        "Can the senders decrypt codes of this user pool?",
        &[GET_KEY_POLICY, LIST_GRANTS, SIMULATE_PRINCIPAL_POLICY]);

    HistoryMessages = Check::new("trail.messages", Area::History, Level::Cause,
        "What happened to the user's last messages? (Found by the keyed hash of the recipient.)",
        &[FILTER_LOG_EVENTS]);
    HistorySignUp = Check::new("trail.sign-up", Area::History, Level::Cause,
        "How did pre-sign-up decide about this address?", &[FILTER_LOG_EVENTS]);
    HistoryFailedEvents = Check::new("trail.dead-letters", Area::History, Level::Cause,
        "Does the on-failure queue hold a failed event of this user? (Received with the role `RedriveRoleArn`.)",
        &[GET_QUEUE_ATTRIBUTES, ASSUME_ROLE]);
    HistoryErrors = Check::new("trail.errors", Area::History, Level::Cause,
        "Which errors did the functions log in the last hour, and do they start with the current settings?",
        &[FILTER_LOG_EVENTS, GET_FUNCTION_CONFIGURATION]);
    HistoryLogDelivery = Check::new("trail.log-delivery", Area::History, Level::NotChecked,
        "Does Cognito log the messages that it couldn't deliver?", &[GET_LOG_DELIVERY_CONFIGURATION]);
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_name_is_unique_and_safe_in_an_anchor() {
        let names: BTreeSet<_> = CheckId::ALL.iter().map(|id| id.check().name).collect();
        assert_eq!(names.len(), CheckId::ALL.len());
        let word = |word: &str| {
            !word.is_empty() && word.chars().all(|letter| letter == '-' || letter.is_ascii_lowercase())
        };
        for name in names {
            let (area, question) = name.split_once('.').expect("an area");
            assert!(word(area) && word(question), "{name}");
        }
    }

    #[test]
    fn the_checks_of_an_area_have_its_prefix() {
        for check in CheckId::ALL.iter().map(|id| id.check()) {
            let prefixes: &[&str] = match check.area {
                Area::User => &["user.", "client.", "stack."],
                Area::Email => &["email."],
                Area::Sms => &["sms."],
                Area::Triggers => &["triggers."],
                Area::History => &["trail."],
            };
            assert!(prefixes.iter().any(|prefix| check.name.starts_with(prefix)), "{}", check.name);
        }
    }
}
