//! A stand-in for CloudFormation with one stack: `DescribeStacks` and `DescribeStackResource` in the query protocol.
//!
//! <https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_DescribeStacks.html>

use std::collections::BTreeMap;

use crate::http::{Request, Response};
use crate::service::{Protocol, Refusal, Service};

/// The name of the stack.
pub const STACK: &str = "triggers";

/// A stand-in for CloudFormation. The body of a call is the form.
pub type CloudFormation = Service<OneStack>;

/// The protocol of [`CloudFormation`].
pub struct OneStack {
    outputs: Vec<(String, String)>,
    resources: Vec<(String, String)>,
}

impl Service<OneStack> {
    /// Listens; the stack has these outputs, and these resources by their logical and physical ids.
    #[must_use]
    pub fn start(outputs: &[(&str, &str)], resources: &[(&str, &str)]) -> Self {
        let owned = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
        };
        Self::serve(OneStack { outputs: owned(outputs), resources: owned(resources) }, None)
    }
}

impl OneStack {
    fn stacks(&self) -> String {
        let member = |(name, value): &(String, String)| {
            format!("<member><OutputKey>{name}</OutputKey><OutputValue>{value}</OutputValue></member>")
        };
        let outputs: String = self.outputs.iter().map(member).collect();
        format!(
            "<Stacks><member><StackName>{STACK}</StackName><CreationTime>2026-11-01T00:00:00Z</CreationTime>\
             <StackStatus>CREATE_COMPLETE</StackStatus><Outputs>{outputs}</Outputs></member></Stacks>"
        )
    }

    fn resource(&self, logical_id: &str) -> Option<String> {
        let (_, physical_id) = self.resources.iter().find(|(name, _)| name == logical_id)?;
        Some(format!(
            "<StackResourceDetail><LogicalResourceId>{logical_id}</LogicalResourceId>\
             <PhysicalResourceId>{physical_id}</PhysicalResourceId><ResourceType>AWS::Any::Thing</ResourceType>\
             <ResourceStatus>CREATE_COMPLETE</ResourceStatus>\
             <LastUpdatedTimestamp>2026-11-01T00:00:00Z</LastUpdatedTimestamp></StackResourceDetail>"
        ))
    }
}

impl Protocol for OneStack {
    type Body = BTreeMap<String, String>;

    const SIGNING_NAME: &'static str = "cloudformation";
    const ENDPOINT_VARIABLE: &'static str = "AWS_ENDPOINT_URL_CLOUDFORMATION";

    fn parse(&self, request: &Request) -> Result<Self::Body, Refusal> {
        let form: Self::Body = form_urlencoded::parse(&request.body).into_owned().collect();
        if form.contains_key("Action") {
            Ok(form)
        } else {
            Err(Refusal::new(400, "MissingAction", "no action is named"))
        }
    }

    fn accept(&self, form: &Self::Body, _: usize) -> Result<Response, Refusal> {
        let field = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
        let invalid = |message: String| Refusal::new(400, "ValidationError", message);
        if field("StackName") != STACK {
            return Err(invalid(format!("Stack with id {} does not exist", field("StackName"))));
        }
        let (action, result) = match field("Action") {
            "DescribeStacks" => ("DescribeStacks", self.stacks()),
            "DescribeStackResource" => {
                let id = field("LogicalResourceId");
                let missing = || invalid(format!("Resource {id} does not exist for stack {STACK}"));
                ("DescribeStackResource", self.resource(id).ok_or_else(missing)?)
            }
            other => return Err(Refusal::new(400, "InvalidAction", format!("{other} is not known"))),
        };
        let body = format!(
            "<{action}Response xmlns=\"http://cloudformation.amazonaws.com/doc/2010-05-15/\">\
             <{action}Result>{result}</{action}Result></{action}Response>"
        );
        Ok(Response::new(200, "text/xml", body))
    }

    fn refuse(&self, refusal: &Refusal) -> Response {
        let body = format!(
            "<ErrorResponse xmlns=\"http://cloudformation.amazonaws.com/doc/2010-05-15/\"><Error>\
             <Type>Sender</Type><Code>{}</Code><Message>{}</Message></Error></ErrorResponse>",
            refusal.code, refusal.message
        );
        Response::new(refusal.status, "text/xml", body)
    }
}
