//! Amazon Resource Names, taken apart in one place.

use std::fmt;
use std::str::FromStr;

/// An ARN: `arn:PARTITION:SERVICE:REGION:ACCOUNT:RESOURCE`.
///
/// Region and account are empty for global resources. The resource may contain colons and slashes.
///
/// Source: "Identify AWS resources with Amazon Resource Names (ARNs)", AWS Identity and Access Management user guide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arn<'a> {
    text: &'a str,
    partition: &'a str,
    service: &'a str,
    region: &'a str,
    account: &'a str,
    resource: &'a str,
}

/// A Lambda function in an ARN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LambdaFunction<'a> {
    /// Its name.
    pub name: &'a str,
    /// The version or alias, if the ARN has one.
    pub qualifier: Option<&'a str>,
    /// The ARN without the qualifier.
    pub unqualified: &'a str,
}

impl<'a> Arn<'a> {
    /// Reads an ARN, `None` if the text isn't one.
    #[must_use]
    pub fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.splitn(6, ':');
        let mut next = || parts.next();
        let ("arn", partition, service, region, account, resource) =
            (next()?, next()?, next()?, next()?, next()?, next()?)
        else {
            return None;
        };
        let is_complete = [partition, service, resource].iter().all(|part| !part.is_empty());
        is_complete.then_some(Self { text, partition, service, region, account, resource })
    }

    /// The whole ARN.
    #[must_use]
    pub fn as_str(self) -> &'a str {
        self.text
    }

    /// The partition: `aws`, `aws-cn`, `aws-us-gov`.
    #[must_use]
    pub fn partition(self) -> &'a str {
        self.partition
    }

    /// The service: `lambda`, `kms`.
    #[must_use]
    pub fn service(self) -> &'a str {
        self.service
    }

    /// The Region, empty for a global resource.
    #[must_use]
    pub fn region(self) -> &'a str {
        self.region
    }

    /// The account, empty if the service leaves it out.
    #[must_use]
    pub fn account(self) -> &'a str {
        self.account
    }

    /// Everything behind the account.
    #[must_use]
    pub fn resource(self) -> &'a str {
        self.resource
    }

    /// The rest of the resource of this service behind `prefix`, `None` if there is none.
    #[must_use]
    pub fn resource_of(self, service: &str, prefix: &str) -> Option<&'a str> {
        let rest = self.resource.strip_prefix(prefix)?;
        (self.service == service && !rest.is_empty()).then_some(rest)
    }

    /// Whether the ARN names a Region and an account id of 12 digits.
    #[must_use]
    pub fn is_regional(self) -> bool {
        !self.region.is_empty()
            && self.account.len() == 12
            && self.account.bytes().all(|byte| byte.is_ascii_digit())
    }

    /// The function, if the ARN is one of Lambda's: `function:NAME` or `function:NAME:QUALIFIER`.
    #[must_use]
    pub fn lambda_function(self) -> Option<LambdaFunction<'a>> {
        let rest = self.resource_of("lambda", "function:")?;
        Some(match rest.split_once(':') {
            None => LambdaFunction { name: rest, qualifier: None, unqualified: self.text },
            Some((name, qualifier)) => {
                let end = self.text.len() - qualifier.len() - 1;
                let unqualified = self.text.get(..end).unwrap_or(self.text);
                LambdaFunction { name, qualifier: Some(qualifier), unqualified }
            }
        })
    }

    /// The id of a user pool.
    #[must_use]
    pub fn user_pool_id(self) -> Option<&'a str> {
        self.resource_of("cognito-idp", "userpool/")
    }

    /// The name of a log group. CloudWatch Logs also writes such an ARN with `:*` at its end.
    #[must_use]
    pub fn log_group(self) -> Option<&'a str> {
        let rest = self.resource_of("logs", "log-group:")?;
        rest.split(':').next().filter(|name| !name.is_empty())
    }

    /// The email address or domain of an SES identity.
    #[must_use]
    pub fn ses_identity(self) -> Option<&'a str> {
        self.resource_of("ses", "identity/")
    }

    /// The name of a stack: `stack/NAME/ID`.
    #[must_use]
    pub fn stack_name(self) -> Option<&'a str> {
        self.resource_of("cloudformation", "stack/")?.split('/').next().filter(|name| !name.is_empty())
    }
}

impl fmt::Display for Arn<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.text)
    }
}

/// The Region in an ARN, `None` if the text isn't an ARN or has no Region.
#[must_use]
pub fn region_of(arn: &str) -> Option<&str> {
    Arn::parse(arn).map(Arn::region).filter(|region| !region.is_empty())
}

/// The account in an ARN, `None` if the text isn't an ARN or has no account.
#[must_use]
pub fn account_of(arn: &str) -> Option<&str> {
    Arn::parse(arn).map(Arn::account).filter(|account| !account.is_empty())
}

/// A function's ARN without version or alias. Any other text stays as it is.
#[must_use]
pub fn unqualified(function_arn: &str) -> &str {
    let function = Arn::parse(function_arn).and_then(Arn::lambda_function);
    function.map_or(function_arn, |function| function.unqualified)
}

/// The name in a function's ARN. Any other text stays as it is.
#[must_use]
pub fn function_name(function_arn: &str) -> &str {
    Arn::parse(function_arn).and_then(Arn::lambda_function).map_or(function_arn, |function| function.name)
}

/// The Region at the beginning of a user pool id, `REGION_SUFFIX`.
#[must_use]
pub fn region_of_user_pool(user_pool_id: &str) -> Option<&str> {
    user_pool_id.split_once('_').map(|(region, _)| region).filter(|region| !region.is_empty())
}

/// The ARN of the KMS key that Cognito encrypts codes with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyArn(String);

impl KeyArn {
    /// The whole ARN.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The key's Region, in which the functions call KMS.
    #[must_use]
    pub fn region(&self) -> &str {
        region_of(&self.0).unwrap_or_default()
    }

    /// Whether the other ARN names the same key: the same ARN, or a replica of a multi-Region key.
    #[must_use]
    pub fn is_same_key(&self, other: &str) -> bool {
        let replica = || {
            let (own, other) = (Arn::parse(&self.0)?, Arn::parse(other)?);
            own.resource_of("kms", "key/mrk-")?;
            Some(Arn { text: "", region: "", ..own } == Arn { text: "", region: "", ..other })
        };
        self.0 == other || replica().unwrap_or(false)
    }
}

impl FromStr for KeyArn {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let arn = Arn::parse(text);
        if arn.and_then(|arn| arn.resource_of("kms", "alias/")).is_some() {
            return Err(
                "must be the ARN of the key, which ends in `key/` and its id, and not the ARN of an alias",
            );
        }
        let key = arn.filter(|arn| arn.is_regional()).and_then(|arn| arn.resource_of("kms", "key/"));
        if key.is_some_and(|id| !id.contains(':')) {
            Ok(Self(text.to_owned()))
        } else {
            Err("must be the ARN of a KMS key, such as arn:aws:kms:eu-central-1:123456789012:key/1234abcd-…")
        }
    }
}

impl fmt::Display for KeyArn {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FUNCTION: &str = "arn:aws:lambda:eu-central-1:123456789012:function:triggers-pre-sign-up";

    #[test]
    fn an_arn_has_six_parts() {
        let arn = Arn::parse(FUNCTION).unwrap();
        let parts = [arn.partition(), arn.service(), arn.region(), arn.account(), arn.resource()];
        assert_eq!(parts, ["aws", "lambda", "eu-central-1", "123456789012", "function:triggers-pre-sign-up"]);
        assert!(arn.is_regional());
        assert_eq!(arn.to_string(), FUNCTION);
        let role = Arn::parse("arn:aws:iam::123456789012:role/x").unwrap();
        assert!(role.region().is_empty() && !role.is_regional());
        for text in
            ["", "arn", "arn:aws:lambda:eu-central-1:123456789012", "arn:aws:lambda:r:a:", "x:aws:s:r:a:b"]
        {
            assert_eq!(Arn::parse(text), None, "{text}");
        }
    }

    #[track_caller]
    fn check_function(text: &str, name: &str, short: &str) {
        assert_eq!((function_name(text), unqualified(text)), (name, short));
    }

    #[test]
    fn a_version_or_alias_is_not_part_of_the_name() {
        check_function(FUNCTION, "triggers-pre-sign-up", FUNCTION);
        check_function(&format!("{FUNCTION}:live"), "triggers-pre-sign-up", FUNCTION);
        check_function("codes", "codes", "codes");
        let key = "arn:aws:kms:eu-central-1:123456789012:key/1:2";
        check_function(key, key, key);
    }

    #[test]
    fn each_service_names_its_resources() {
        let arn = |text| Arn::parse(text).unwrap();
        let pool = arn("arn:aws:cognito-idp:eu-central-1:123456789012:userpool/eu-central-1_Example01");
        assert_eq!(pool.user_pool_id(), Some("eu-central-1_Example01"));
        assert_eq!(pool.user_pool_id().and_then(region_of_user_pool), Some("eu-central-1"));
        let group = arn("arn:aws:logs:eu-central-1:123456789012:log-group:/aws/x:*");
        assert_eq!(group.log_group(), Some("/aws/x"));
        let stack = arn("arn:aws:cloudformation:eu-central-1:123456789012:stack/triggers/0123-4567");
        assert_eq!(stack.stack_name(), Some("triggers"));
        let identity = arn("arn:aws:ses:eu-central-1:123456789012:identity/example.com");
        assert_eq!((identity.ses_identity(), identity.user_pool_id()), (Some("example.com"), None));
        assert_eq!(region_of("arn:aws:iam::123456789012:role/x"), None);
        assert_eq!(account_of("arn:aws:iam::123456789012:role/x"), Some("123456789012"));
        assert_eq!(region_of_user_pool("_x"), None);
    }

    #[track_caller]
    fn check_key(text: &str, accepted: bool) {
        assert_eq!(text.parse::<KeyArn>().is_ok(), accepted, "{text}");
    }

    #[test]
    fn only_the_arn_of_a_key_is_a_key_arn() {
        check_key("arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555", true);
        check_key("arn:aws-cn:kms:cn-north-1:123456789012:key/mrk-1234", true);
        check_key("arn:aws:kms:eu-central-1:123456789012:alias/code-key", false);
        check_key("11111111-2222-3333-4444-555555555555", false);
        check_key("alias/code-key", false);
        check_key("arn:aws:sns:eu-central-1:123456789012:key/1", false);
        check_key("arn:aws:kms:eu-central-1:123456789012:key/", false);
        check_key("arn:aws:kms:eu-central-1:123456789012:key/1:2", false);
        check_key("arn:aws:kms::123456789012:key/1", false);
        check_key("", false);
    }

    #[test]
    fn a_replica_of_a_multi_region_key_is_the_same_key() {
        let key = |text: &str| text.parse::<KeyArn>().unwrap();
        let mrk = key("arn:aws:kms:eu-central-1:123456789012:key/mrk-1");
        assert!(mrk.is_same_key("arn:aws:kms:eu-west-1:123456789012:key/mrk-1"));
        assert!(!mrk.is_same_key("arn:aws:kms:eu-west-1:123456789012:key/mrk-2"));
        assert!(!mrk.is_same_key("arn:aws:kms:eu-west-1:210987654321:key/mrk-1"));
        assert!(!mrk.is_same_key("arn:aws-cn:kms:eu-west-1:123456789012:key/mrk-1"));
        let single = key("arn:aws:kms:eu-central-1:123456789012:key/1");
        assert!(!single.is_same_key("arn:aws:kms:eu-west-1:123456789012:key/1"));
        assert_eq!(single.region(), "eu-central-1");
    }

    proptest! {
        #[test]
        fn the_parts_of_an_arn_are_the_arn(text in "(arn:)?([a-z0-9é]{0,3}:){0,7}[a-z/:*]{0,8}|\\PC*") {
            if let Some(arn) = Arn::parse(&text) {
                let parts = ["arn", arn.partition(), arn.service(), arn.region(), arn.account(), arn.resource()];
                prop_assert_eq!(parts.join(":"), text.as_str());
            }
        }

        #[test]
        fn a_function_is_its_unqualified_arn_and_its_qualifier(
            name in "[a-zA-Z0-9é_-]{1,10}", qualifier in "(:[a-zA-Z0-9$é:]{0,8})?",
        ) {
            let arn = format!("arn:aws:lambda:eu-central-1:123456789012:function:{name}");
            let text = format!("{arn}{qualifier}");
            let function = Arn::parse(&text).and_then(Arn::lambda_function).unwrap();
            prop_assert_eq!(function.name, name);
            prop_assert_eq!(function.unqualified, arn);
            prop_assert_eq!(function.qualifier, qualifier.strip_prefix(':'));
        }

        #[test]
        fn helpers_never_panic(text in "(arn:aws:(lambda|kms|logs):)?\\PC{0,20}") {
            let _ = (region_of(&text), account_of(&text), unqualified(&text), function_name(&text));
            let _ = (text.parse::<KeyArn>(), region_of_user_pool(&text));
        }
    }
}
