//! A mock of SNS: `Publish` in the query protocol.
//!
//! <https://docs.aws.amazon.com/sns/latest/api/API_Publish.html>

use std::collections::BTreeMap;

use crate::http::{Request, Response};
use crate::service::{Protocol, Refusal, Service};

/// A mock of SNS. The body of a call is the form, such as `PhoneNumber` and
/// `MessageAttributes.entry.1.Name`; [`message_attributes`] reads the latter.
pub type Sns = Service<Publish>;

/// The protocol of [`Sns`].
#[derive(Default)]
pub struct Publish;

/// The message attributes of a `Publish` request, by name, each with its data type and value.
#[must_use]
pub fn message_attributes(form: &BTreeMap<String, String>) -> BTreeMap<String, (String, String)> {
    let field =
        |number: usize, name: &str| form.get(&format!("MessageAttributes.entry.{number}.{name}")).cloned();
    (1..)
        .map_while(|number| {
            let data_type = field(number, "Value.DataType").unwrap_or_default();
            let value = field(number, "Value.StringValue").unwrap_or_default();
            Some((field(number, "Name")?, (data_type, value)))
        })
        .collect()
}

impl Protocol for Publish {
    type Body = BTreeMap<String, String>;

    const SIGNING_NAME: &'static str = "sns";
    const ENDPOINT_VARIABLE: &'static str = "AWS_ENDPOINT_URL_SNS";
    const EXPIRED_TOKEN: (u16, &'static str) = (403, "ExpiredToken");

    fn parse(&self, request: &Request) -> Result<Self::Body, Refusal> {
        let form: Self::Body = form_urlencoded::parse(&request.body).into_owned().collect();
        let action = form.get("Action").map(String::as_str).unwrap_or_default();
        if (request.method.as_str(), request.target.as_str(), action) != ("POST", "/", "Publish") {
            return Err(Refusal::new(400, "InvalidAction", "only Publish is known"));
        }
        if !form.contains_key("PhoneNumber") {
            return Err(Refusal::new(400, "InvalidParameter", "Invalid parameter: PhoneNumber"));
        }
        Ok(form)
    }

    fn accept(&self, _: &Self::Body, number: usize) -> Result<Response, Refusal> {
        let body = format!(
            "<PublishResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\"><PublishResult>\
             <MessageId>567910cd-659e-55d4-8ccb-{number:012}</MessageId></PublishResult><ResponseMetadata>\
             <RequestId>d74b8436-ae13-5ab4-a9ff-{number:012}</RequestId></ResponseMetadata></PublishResponse>"
        );
        Ok(Response::new(200, "text/xml", body))
    }

    fn refuse(&self, refusal: &Refusal) -> Response {
        let fault = if refusal.status < 500 { "Sender" } else { "Receiver" };
        let body = format!(
            "<ErrorResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\"><Error><Type>{fault}</Type>\
             <Code>{}</Code><Message>{}</Message></Error>\
             <RequestId>9dd01905-5012-5f99-8663-4b3ecd0dfaef</RequestId></ErrorResponse>",
            refusal.code, refusal.message
        );
        Response::new(refusal.status, "text/xml", body)
    }
}
