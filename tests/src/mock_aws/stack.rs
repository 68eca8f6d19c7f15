//! The deployed stack that the mock serves, from `tests/fixtures/stack.json`, which `tools/tests/test_mock_aws.py`
//! generates from the template.

#![expect(clippy::indexing_slicing, reason = "JSON has null if a member is missing")]

use std::sync::LazyLock;

use serde_json::Value;

static STACK: LazyLock<Value> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../../fixtures/stack.json")).expect("the fixture is JSON")
});

/// All that the file has.
pub(super) fn stack() -> &'static Value {
    &STACK
}

/// The physical ID of a resource of the template, by its logical ID. CloudFormation generates most of them in the
/// form `triggers-PreSignUpFunction-QSSKB6V7RTAZ`.
///
/// # Panics
/// If the stack has no such resource.
#[must_use]
pub fn physical_id(logical_id: &str) -> &'static str {
    let mut resources = resources();
    let found = resources.find_map(|(name, physical_id)| (name == logical_id).then_some(physical_id));
    found.unwrap_or_else(|| panic!("the stack has no {logical_id}"))
}

/// The ARN of a resource of the template, by its logical ID.
///
/// # Panics
/// If the stack has no such resource, or the tests don't need its ARN.
#[must_use]
pub fn arn(logical_id: &str) -> &'static str {
    STACK["arns"][logical_id].as_str().unwrap_or_else(|| panic!("the stack has no ARN of {logical_id}"))
}

/// The variables that the template sets for a function, which is named by its ARN.
///
/// # Panics
/// If the stack has no such function.
pub fn variables(function: &str) -> impl Iterator<Item = (&'static str, &'static str)> {
    let mut functions = functions();
    let configuration = functions.find(|configuration| configuration["FunctionArn"] == function);
    let configuration = configuration.unwrap_or_else(|| panic!("the stack has no {function}"));
    let variables = configuration["Environment"]["Variables"].as_object().expect("variables");
    variables.iter().map(|(name, value)| (name.as_str(), value.as_str().expect("a string")))
}

/// The four functions, as `GetFunctionConfiguration` shows them.
pub(super) fn functions() -> impl Iterator<Item = &'static Value> {
    STACK["functions"].as_object().expect("an object").values()
}

/// A text in which references are what they are in the stack: `<CodeKey.Ref>`, `<CodeKey.Arn>`,
/// `<RecipientHashKey.Name>`.
pub(super) fn resolve(text: &str) -> String {
    let refs = resources().map(|(name, id)| (format!("<{name}.Ref>"), id));
    let listed = [("arns", "Arn"), ("names", "Name")].into_iter().flat_map(|(list, kind)| {
        let values = STACK[list].as_object().expect("an object").iter();
        values.map(move |(name, value)| (format!("<{name}.{kind}>"), value.as_str().expect("a string")))
    });
    refs.chain(listed).fold(text.to_owned(), |text, (reference, value)| text.replace(&reference, value))
}

/// Pairs of logical and physical ID, of the stack and of the one of its user pool.
fn resources() -> impl Iterator<Item = (&'static str, &'static str)> {
    let text = |resource: &'static Value, name: &str| resource[name].as_str().expect("a string");
    ["resources", "resources of the pool"]
        .into_iter()
        .flat_map(|list| STACK[list].as_array().expect("a list"))
        .map(move |resource| (text(resource, "LogicalResourceId"), text(resource, "PhysicalResourceId")))
}
