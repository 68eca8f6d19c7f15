//! A stand-in for STS: `AssumeRole` in the query protocol.
//!
//! <https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html>

use std::collections::BTreeMap;

use crate::function::{ACCESS_KEY_ID, SECRET_ACCESS_KEY};
use crate::http::{Request, Response};
use crate::service::{Protocol, Refusal, Service};

/// A stand-in for STS. The body of a call is the form.
///
/// The credentials of a role are those that the stand-ins check; its session token is the role's ARN.
pub type Sts = Service<AssumeRole>;

/// The protocol of [`Sts`].
pub struct AssumeRole;

impl Service<AssumeRole> {
    /// Listens.
    #[must_use]
    pub fn start() -> Self {
        Self::serve(AssumeRole, None)
    }
}

impl Protocol for AssumeRole {
    type Body = BTreeMap<String, String>;

    const SIGNING_NAME: &'static str = "sts";
    const ENDPOINT_VARIABLE: &'static str = "AWS_ENDPOINT_URL_STS";

    fn parse(&self, request: &Request) -> Result<Self::Body, Refusal> {
        let form: Self::Body = form_urlencoded::parse(&request.body).into_owned().collect();
        if form.get("Action").is_some_and(|action| action == "AssumeRole") {
            Ok(form)
        } else {
            Err(Refusal::new(400, "InvalidAction", "only AssumeRole is known"))
        }
    }

    fn accept(&self, form: &Self::Body, _: usize) -> Result<Response, Refusal> {
        let role = form.get("RoleArn").map(String::as_str).unwrap_or_default();
        let body = format!(
            "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult>\
             <AssumedRoleUser><AssumedRoleId>AROAEXAMPLE:s</AssumedRoleId><Arn>{role}</Arn></AssumedRoleUser>\
             <Credentials><AccessKeyId>{ACCESS_KEY_ID}</AccessKeyId>\
             <SecretAccessKey>{SECRET_ACCESS_KEY}</SecretAccessKey><SessionToken>{role}</SessionToken>\
             <Expiration>2126-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>"
        );
        Ok(Response::new(200, "text/xml", body))
    }

    fn refuse(&self, refusal: &Refusal) -> Response {
        let body = format!(
            "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type>\
             <Code>{}</Code><Message>{}</Message></Error></ErrorResponse>",
            refusal.code, refusal.message
        );
        Response::new(refusal.status, "text/xml", body)
    }
}
