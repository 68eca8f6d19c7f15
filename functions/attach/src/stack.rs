//! The stack that this function belongs to, and so everything that it may act on.
//!
//! A request of CloudFormation repeats it, but a request proves nothing: an attacker who may invoke the function can
//! write one.

use http::Uri;
use shared::arn::{Arn, KeyArn};
use shared::settings::endpoints::Endpoints;
use shared::settings::{Noted, Settings};

use crate::ENDPOINT_VARIABLE;
use crate::memory::IdKey;

/// How much of a stack's name is certainly in the names of its functions.
///
/// AWS doesn't document how CloudFormation shortens a name to Lambda's 64 characters: 24 each of the stack's name and
/// of the logical id, and 12 random ones have been seen.
const NAME_KEPT: usize = 24;

/// The stack, its user pool and its key, from the function's environment.
#[derive(Clone, Debug)]
pub struct Stack {
    id: String,
    region: String,
    /// How the ARN of each of its functions begins.
    functions: String,
    /// The first label of the hosts where CloudFormation waits for responses.
    response_bucket: String,
    /// The domain of AWS in this partition.
    domain: &'static str,
    pool: String,
    key: Option<KeyArn>,
    ids: IdKey,
    /// The host of an emulator.
    emulator: Option<String>,
}

impl Stack {
    /// Reads `STACK_ID`, `USER_POOL_ID`, `CODE_KEY_ARN` and `PHYSICAL_ID_KEY`.
    ///
    /// # Errors
    /// If one of them is missing or invalid.
    pub fn read(settings: &Settings<'_>) -> Result<Self, Noted> {
        const STACK_ID: &str = "STACK_ID";
        let id = settings.required(STACK_ID, |text| Ok::<_, &str>(text.to_owned()));
        let pool = settings.required("USER_POOL_ID", |text| Ok::<_, &str>(text.to_owned()));
        let key = settings.optional("CODE_KEY_ARN", str::parse::<KeyArn>);
        let ids = settings.required("PHYSICAL_ID_KEY", str::parse::<IdKey>);
        let endpoints = Endpoints::read(settings, &[ENDPOINT_VARIABLE]);
        let (id, pool, key, ids) = (id?, pool?, key?, ids?);
        let arn = Arn::parse(&id).filter(|arn| arn.is_regional());
        let Some((arn, name)) = arn.and_then(|arn| Some((arn, arn.stack_name()?))) else {
            return Err(settings.problem(STACK_ID, "must be the ARN of a CloudFormation stack"));
        };
        let (partition, region, account) = (arn.partition(), arn.region(), arn.account());
        let name = name.get(..NAME_KEPT).map_or_else(|| format!("{name}-"), str::to_owned);
        let emulator = endpoints?.url(ENDPOINT_VARIABLE).and_then(|url| url.parse::<Uri>().ok());
        Ok(Self {
            region: region.to_owned(),
            functions: format!("arn:{partition}:lambda:{region}:{account}:function:{name}"),
            response_bucket: format!("cloudformation-custom-resource-response-{}.", region.replace('-', "")),
            domain: match partition {
                "aws-cn" => ".amazonaws.com.cn",
                "aws-eusc" => ".amazonaws.eu",
                _ => ".amazonaws.com",
            },
            emulator: emulator.and_then(|url| url.host().map(str::to_owned)),
            id,
            pool,
            key,
            ids,
        })
    }

    /// The stack's ARN.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The user pool that the template names now.
    #[must_use]
    pub fn pool(&self) -> &str {
        &self.pool
    }

    /// Writes and reads the resource's physical id.
    #[must_use]
    pub fn ids(&self) -> &IdKey {
        &self.ids
    }

    /// Whether a function belongs to this stack, by its name. A stack whose name continues this one's passes too.
    #[must_use]
    pub fn has_function(&self, arn: &str) -> bool {
        let valid = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        arn.strip_prefix(&self.functions).is_some_and(|rest| !rest.is_empty() && rest.bytes().all(valid))
    }

    /// Whether it is the key that the senders of this stack decrypt with.
    #[must_use]
    pub fn has_key(&self, arn: &str) -> bool {
        self.key.as_ref().is_some_and(|key| key.as_str() == arn)
    }

    /// Whether CloudFormation, or the emulator, waits there for a response.
    ///
    /// CloudFormation waits at a bucket of its own in the stack's Region, in one of the spellings of S3's endpoints.
    /// Sources: "Setting up VPC endpoints for AWS CloudFormation", AWS CloudFormation user guide; "Amazon Simple Storage
    /// Service endpoints and quotas", AWS General Reference.
    #[must_use]
    pub fn awaits_response_at(&self, url: &Uri) -> bool {
        let Some(host) = url.host() else { return false };
        let of_emulator = self.emulator.as_deref().is_some_and(|emulator| {
            matches!(url.scheme_str(), Some("http" | "https"))
                && (host == emulator || host == "127.0.0.1" || host == "localhost")
        });
        let s3 = || {
            let s3 =
                host.strip_prefix(&self.response_bucket)?.strip_suffix(self.domain)?.strip_prefix("s3")?;
            let s3 = s3.strip_prefix("-fips").unwrap_or(s3);
            Some(s3.strip_prefix(".dualstack").unwrap_or(s3))
        };
        let of_cloudformation = url.scheme_str() == Some("https")
            && url.port().is_none()
            && s3().is_some_and(|region| {
                region.is_empty()
                    || region.strip_prefix(['.', '-']).is_some_and(|region| region == self.region)
            });
        of_emulator || of_cloudformation
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use shared::settings::InLayer;

    use super::*;

    pub(crate) const ID: &str = "arn:aws:cloudformation:eu-central-1:123456789012:stack/triggers/0a1b2c3d";
    pub(crate) const KEY: &str =
        "arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab";

    /// A stack with this id and, with an endpoint, an emulator.
    pub(crate) fn stack(id: &str, endpoint: &str) -> Stack {
        let lookup = |name: &str| {
            let value = match name {
                "STACK_ID" => id,
                "USER_POOL_ID" => "a_1",
                "CODE_KEY_ARN" => KEY,
                "PHYSICAL_ID_KEY" => "a key of thirty-two characters or more",
                ENDPOINT_VARIABLE => endpoint,
                _ => "",
            };
            Some(value.to_owned())
        };
        let settings = Settings::new(&lookup, &InLayer);
        let stack = Stack::read(&settings);
        settings.finish(stack).unwrap()
    }

    #[test]
    fn only_functions_with_the_stacks_name_in_its_account_and_region_are_its_own() {
        let ours = stack(ID, "");
        for (arn, own) in [
            (
                "arn:aws:lambda:eu-central-1:123456789012:function:triggers-PreSignUpFunction-1A2B3C4D5E6F",
                true,
            ),
            ("arn:aws:lambda:eu-central-1:123456789012:function:triggers-", false),
            (
                "arn:aws:lambda:eu-central-1:123456789012:function:trigger-PreSignUpFunction-1A2B3C4D5E6F",
                false,
            ),
            ("arn:aws:lambda:eu-central-1:123456789012:function:evil", false),
            (
                "arn:aws:lambda:eu-central-1:999999999999:function:triggers-PreSignUpFunction-1A2B3C4D5E6F",
                false,
            ),
            ("arn:aws:lambda:us-east-1:123456789012:function:triggers-PreSignUpFunction-1A2B3C4D5E6F", false),
            ("arn:aws-cn:lambda:eu-central-1:123456789012:function:triggers-PreSignUpFunction-1A2B3C", false),
            ("arn:aws:lambda:eu-central-1:123456789012:function:triggers-PreSignUp; rm -rf /", false),
            ("arn:aws:lambda:eu-central-1:123456789012:function:triggers-PreSignUpFunction:alias", false),
            ("triggers-PreSignUpFunction-1A2B3C4D5E6F", false),
        ] {
            assert_eq!(ours.has_function(arn), own, "{arn}");
        }
        // CloudFormation shortens both names.
        let long = stack(&ID.replace("triggers", "a-stack-with-a-very-long-name"), "");
        assert!(long.has_function(
            "arn:aws:lambda:eu-central-1:123456789012:function:a-stack-with-a-very-long-CustomEmailSenderFunctio-1A2B3C"
        ));
    }

    #[track_caller]
    fn check(stack: &Stack, url: &str, accepted: bool) {
        assert_eq!(url.parse().is_ok_and(|url| stack.awaits_response_at(&url)), accepted, "{url}");
    }

    #[test]
    fn responses_go_to_cloudformation_only() {
        let ours = stack(ID, "");
        let bucket = "https://cloudformation-custom-resource-response-eucentral1";
        for s3 in
            ["s3.eu-central-1", "s3-eu-central-1", "s3", "s3.dualstack.eu-central-1", "s3-fips.eu-central-1"]
        {
            check(&ours, &format!("{bucket}.{s3}.amazonaws.com/a?X=b"), true);
        }
        for url in [
            "https://cloudformation-custom-resource-response-useast1.s3.us-east-1.amazonaws.com/",
            "https://cloudformation-custom-resource-response-eucentral1-evil.s3.eu-central-1.amazonaws.com/",
            "https://cloudformation-custom-resource-response-eucentral1.s3.evil.amazonaws.com/",
            "https://cloudformation-custom-resource-response-eucentral1.s3.eu-central-1.amazonaws.com.evil.example/",
            "https://cloudformation-custom-resource-response-eucentral1.s3.eu-central-1.amazonaws.com.cn/",
            "https://cloudformation-custom-resource-response-eucentral1.s3.eu-central-1.amazonaws.com:8443/",
            "http://cloudformation-custom-resource-response-eucentral1.s3.eu-central-1.amazonaws.com/",
            "https://evil.s3.eu-central-1.amazonaws.com/",
            "https://s3.eu-central-1.amazonaws.com/cloudformation-custom-resource-response-eucentral1/",
            "https://s3.amazonaws.com@evil.example/",
            "https://example.com/",
            "http://127.0.0.1:9001/2018-06-01/runtime/init/error",
            "http://localhost:4566/a",
            "file:///etc/passwd",
            "",
        ] {
            check(&ours, url, false);
        }
        let china = stack(&ID.replace("aws:", "aws-cn:").replace("eu-central-1", "cn-north-1"), "");
        let url = "https://cloudformation-custom-resource-response-cnnorth1.s3.cn-north-1.amazonaws.com.cn/a";
        check(&china, url, true);
        check(&china, &url.replace(".com.cn", ".com"), false);
        let gov = stack(&ID.replace("aws:", "aws-us-gov:").replace("eu-central-1", "us-gov-west-1"), "");
        let url =
            "https://cloudformation-custom-resource-response-usgovwest1.s3.us-gov-west-1.amazonaws.com/a";
        check(&gov, url, true);
    }

    #[test]
    fn an_emulator_gets_responses_if_an_endpoint_is_set() {
        let emulated = stack(ID, "http://emulator:4566");
        for (url, accepted) in [
            ("http://127.0.0.1:4566/a", true),
            ("http://localhost:4566/a", true),
            ("https://localhost:4566/a", true),
            ("http://emulator:4566/a", true),
            ("http://example.com/", false),
            ("https://example.com/", false),
            ("http://127.0.0.1.example.com/", false),
            ("http://localhost:80@example.com/", false),
            ("ftp://localhost/", false),
        ] {
            check(&emulated, url, accepted);
        }
    }
}
