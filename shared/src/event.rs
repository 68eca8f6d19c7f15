//! The trigger event as raw JSON.
//!
//! Cognito may add fields at any time and expects the whole event in return, so an event stays raw JSON. Only members
//! that a function reads are parsed, and only `response` is written.
//! Source: "Customizing user pool workflows with Lambda triggers", Amazon Cognito developer guide.

use std::fmt;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

/// One invocation of a trigger.
#[derive(Clone)]
pub struct Event {
    root: RawObject,
    trigger_source: String,
}

/// What is wrong with an event. Names the field, never shows a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// The event is JSON, but not an object.
    #[error("the event is not a JSON object")]
    NotAnObject,
    /// A required field is absent, null or empty.
    #[error("the event has no `{field}`")]
    Missing {
        /// Path of the field, for example `request.userAttributes.email`.
        field: String,
    },
    /// A field has another type than the function needs.
    #[error("the event's `{field}` is not {expected}")]
    WrongType {
        /// Path of the field.
        field: String,
        /// The expected type, with its article: "an object", "a text".
        expected: &'static str,
    },
}

impl Event {
    /// Reads the envelope: an object with a `triggerSource`.
    ///
    /// # Errors
    /// If the JSON is not an object, or `triggerSource` is absent, empty or not a string.
    pub fn parse(json: &RawValue) -> Result<Self, EventError> {
        let root: RawObject = serde_json::from_str(json.get()).map_err(|_| EventError::NotAnObject)?;
        let trigger_source = match root.get("triggerSource") {
            Some(raw) if raw.get().starts_with('"') => text("triggerSource", raw)?,
            Some(raw) if raw.get() != "null" => return Err(wrong_type("triggerSource", "a text")),
            _ => None,
        };
        let trigger_source = trigger_source.ok_or_else(|| missing("triggerSource"))?;
        Ok(Self { root, trigger_source })
    }

    /// Why the trigger was invoked, for example `PreSignUp_SignUp`. Values that are not known here are normal.
    #[must_use]
    pub fn trigger_source(&self) -> &str {
        &self.trigger_source
    }

    /// The trigger source for the log: Cognito's have only letters and `_`. Any other text comes from another caller
    /// and is not shown.
    #[must_use]
    pub fn shown_trigger_source(&self) -> &str {
        let plain = self.trigger_source.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'_');
        if plain && self.trigger_source.len() <= 64 { &self.trigger_source } else { "not a name" }
    }

    /// A text directly in the envelope: `userPoolId`, `userName`, `region`. Null, absent and empty are `None`.
    ///
    /// # Errors
    /// When the member is an object or an array.
    pub fn envelope_text(&self, name: &str) -> Result<Option<String>, EventError> {
        self.root.get(name).map_or(Ok(None), |raw| text(name, raw))
    }

    /// A `true` or `false` directly in the envelope. Null and absent are `false`.
    ///
    /// # Errors
    /// When the member is anything else.
    pub fn flag(&self, name: &str) -> Result<bool, EventError> {
        match self.root.get(name).map(RawValue::get) {
            None | Some("null" | "false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(wrong_type(name, "`true` or `false`")),
        }
    }

    /// The `request` section; null and absent are an empty one.
    ///
    /// # Errors
    /// When `request` or its `userAttributes` is neither an object nor null.
    pub fn request(&self) -> Result<Request, EventError> {
        let members = object("request", self.root.get("request"))?;
        let user_attributes = object("request.userAttributes", members.get("userAttributes"))?;
        // `clientMetadata` is chosen by the caller of the API, so its content never makes an event fail.
        let client_metadata =
            object("request.clientMetadata", members.get("clientMetadata")).unwrap_or_default();
        Ok(Request { members, user_attributes, client_metadata })
    }

    /// Writes members of `response` and keeps those that are not named.
    ///
    /// # Errors
    /// When the event's own `response` is neither an object nor null.
    pub fn respond(&mut self, fields: &[(&str, ResponseValue<'_>)]) -> Result<(), EventError> {
        let mut response = object("response", self.root.get("response"))?;
        for (name, value) in fields {
            response.set(name, value.to_raw()?);
        }
        let raw = to_raw_value(&response).map_err(|_| wrong_type("response", "an object"))?;
        self.root.set("response", raw);
        Ok(())
    }
}

/// Serializes the event unchanged, except for the members of `response` that were written.
impl Serialize for Event {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.root.serialize(serializer)
    }
}

/// Shows the trigger source alone: everything else in an event may be personal data.
impl fmt::Debug for Event {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let source = self.shown_trigger_source();
        formatter.debug_struct("Event").field("trigger_source", &source).finish_non_exhaustive()
    }
}

/// A value to put into `response`.
#[derive(Clone, Copy, Debug)]
pub enum ResponseValue<'a> {
    /// `true` or `false`.
    Flag(bool),
    /// A text.
    Text(&'a str),
}

impl ResponseValue<'_> {
    fn to_raw(self) -> Result<Box<RawValue>, EventError> {
        match self {
            Self::Flag(flag) => to_raw_value(&flag),
            Self::Text(text) => to_raw_value(text),
        }
        .map_err(|_| wrong_type("response", "an object"))
    }
}

/// The `request` section of an event.
#[derive(Clone)]
pub struct Request {
    members: RawObject,
    user_attributes: RawObject,
    client_metadata: RawObject,
}

impl Request {
    /// A text directly in `request`: `code`, `codeParameter`. Null, absent and empty are `None`.
    ///
    /// # Errors
    /// When the member is an object or an array.
    pub fn text(&self, name: &str) -> Result<Option<String>, EventError> {
        self.members.get(name).map_or(Ok(None), |raw| text(&format!("request.{name}"), raw))
    }

    /// A user attribute as text. Null, absent and empty are `None`; numbers and booleans are their JSON text.
    ///
    /// # Errors
    /// When the attribute is an object or an array.
    pub fn attribute(&self, name: &str) -> Result<Option<String>, EventError> {
        self.user_attributes
            .get(name)
            .map_or(Ok(None), |raw| text(&format!("request.userAttributes.{name}"), raw))
    }

    /// An entry of `clientMetadata`, which the caller of the API chooses freely. Any other type is `None`.
    #[must_use]
    pub fn client_metadata(&self, name: &str) -> Option<String> {
        self.client_metadata.get(name).and_then(|raw| text(name, raw).ok()).flatten()
    }
}

/// A JSON object whose members keep their order, their spelling and their duplicates.
#[derive(Clone, Default)]
struct RawObject(Vec<(String, Box<RawValue>)>);

impl RawObject {
    /// The last member with this name, as in most JSON parsers.
    fn get(&self, name: &str) -> Option<&RawValue> {
        self.0.iter().rev().find(|(key, _)| key == name).map(|(_, value)| &**value)
    }

    fn set(&mut self, name: &str, value: Box<RawValue>) {
        match self.0.iter_mut().rev().find(|(key, _)| key == name) {
            Some((_, old)) => *old = value,
            None => self.0.push((name.to_owned(), value)),
        }
    }
}

impl<'de> Deserialize<'de> for RawObject {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = RawObject;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RawObject, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(RawObject(members))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

impl Serialize for RawObject {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

fn object(field: &str, raw: Option<&RawValue>) -> Result<RawObject, EventError> {
    match raw {
        None => Ok(RawObject::default()),
        Some(raw) if raw.get() == "null" => Ok(RawObject::default()),
        Some(raw) => serde_json::from_str(raw.get()).map_err(|_| wrong_type(field, "an object")),
    }
}

/// A scalar as text. Real logs show texts only, test events of libraries also booleans, numbers and null.
fn text(field: &str, raw: &RawValue) -> Result<Option<String>, EventError> {
    let json = raw.get();
    let value = match json.as_bytes().first() {
        Some(b'"') => serde_json::from_str::<String>(json).map_err(|_| wrong_type(field, "a text"))?,
        Some(b'{' | b'[') => return Err(wrong_type(field, "a text")),
        Some(b'n') => return Ok(None),
        _ => json.to_owned(),
    };
    Ok((!value.is_empty()).then_some(value))
}

fn missing(field: &str) -> EventError {
    EventError::Missing { field: field.to_owned() }
}

fn wrong_type(field: &str, expected: &'static str) -> EventError {
    EventError::WrongType { field: field.to_owned(), expected }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn event(json: &str) -> Result<Event, EventError> {
        Event::parse(&RawValue::from_string(json.to_owned()).unwrap())
    }

    #[track_caller]
    fn check_error(json: &str, expected: &str) {
        let error = match event(json) {
            Err(error) => error,
            Ok(event) => match event.request() {
                Err(error) => error,
                Ok(request) => request.attribute("email").unwrap_err(),
            },
        };
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn a_malformed_event_is_an_error_that_names_the_field() {
        check_error("[]", "the event is not a JSON object");
        check_error("\"x\"", "the event is not a JSON object");
        check_error("{}", "the event has no `triggerSource`");
        check_error(r#"{"triggerSource":null}"#, "the event has no `triggerSource`");
        check_error(r#"{"triggerSource":7}"#, "the event's `triggerSource` is not a text");
        check_error(r#"{"triggerSource":"a","request":[]}"#, "the event's `request` is not an object");
        check_error(
            r#"{"triggerSource":"a","request":{"userAttributes":"x"}}"#,
            "the event's `request.userAttributes` is not an object",
        );
        check_error(
            r#"{"triggerSource":"a","request":{"userAttributes":{"email":["ann@example.com"]}}}"#,
            "the event's `request.userAttributes.email` is not a text",
        );
    }

    #[track_caller]
    fn check_attribute(json: &str, expected: Option<&str>) {
        let json = format!(r#"{{"triggerSource":"a","request":{{"userAttributes":{{"email":{json}}}}}}}"#);
        let request = event(&json).unwrap().request().unwrap();
        assert_eq!(request.attribute("email").unwrap().as_deref(), expected);
    }

    #[test]
    fn scalars_are_read_as_text_and_empty_ones_are_absent() {
        check_attribute("\"a@example.com\"", Some("a@example.com"));
        check_attribute("\"a\\u0040example.com\"", Some("a@example.com"));
        check_attribute("true", Some("true"));
        check_attribute("12.50", Some("12.50"));
        check_attribute("null", None);
        check_attribute("\"\"", None);
    }

    #[test]
    fn a_flag_is_true_or_false_and_nothing_else() {
        let flag = |json: &str| event(&format!(r#"{{"triggerSource":"a"{json}}}"#)).unwrap().flag("dryRun");
        assert_eq!(flag(r#","dryRun":true"#), Ok(true));
        for no in ["", r#","dryRun":false"#, r#","dryRun":null"#, r#","request":{"dryRun":true}"#] {
            assert_eq!(flag(no), Ok(false), "{no}");
        }
        for odd in ["1", "\"true\"", "[true]", "{}", "\"\""] {
            let error = flag(&format!(r#","dryRun":{odd}"#)).unwrap_err();
            assert_eq!(error.to_string(), "the event's `dryRun` is not `true` or `false`", "{odd}");
        }
    }

    #[test]
    fn an_event_comes_back_byte_for_byte() {
        let json = r#"{"version":1,"triggerSource":"Future_Source","n":1e400,"big":123456789012345678901234567890,"dup":1,"dup":{"a":[null, 1.50]},"response":{"x":null}}"#;
        assert_eq!(serde_json::to_string(&event(json).unwrap()).unwrap(), json);
    }

    #[test]
    fn a_response_keeps_members_that_were_not_written() {
        let mut event = event(r#"{"triggerSource":"a","response":{"old":[1],"flag":false}}"#).unwrap();
        event.respond(&[("flag", ResponseValue::Flag(true)), ("new", ResponseValue::Text("\"é"))]).unwrap();
        assert_eq!(
            serde_json::to_string(&event).unwrap(),
            r#"{"triggerSource":"a","response":{"old":[1],"flag":true,"new":"\"é"}}"#
        );
    }

    #[test]
    fn odd_client_metadata_is_no_metadata() {
        let event =
            event(r#"{"triggerSource":"a","request":{"clientMetadata":["x"],"userAttributes":null}}"#)
                .unwrap();
        let request = event.request().unwrap();
        assert_eq!(request.client_metadata("locale"), None);
        assert_eq!(request.attribute("email"), Ok(None));
    }

    #[test]
    fn a_trigger_source_is_shown_if_it_is_a_name() {
        let shown = |source: &str| {
            let json = serde_json::json!({ "triggerSource": source }).to_string();
            event(&json).unwrap().shown_trigger_source().to_owned()
        };
        assert_eq!(shown("CustomEmailSender_Future"), "CustomEmailSender_Future");
        for source in ["ann@example.com", "+12065550123", "424242", "a b", "\u{e9}", &"a".repeat(65)] {
            assert_eq!(shown(source), "not a name");
        }
    }

    #[test]
    fn debug_output_shows_no_personal_data() {
        let event = event(r#"{"triggerSource":"a","userName":"ann@example.com"}"#).unwrap();
        assert!(!format!("{event:?}").contains("ann"));
    }

    proptest! {
        #[test]
        fn reading_never_panics_and_never_changes_an_event(
            source in "\\PC{1,20}", email in "\\PC{0,40}", number in any::<f64>(),
        ) {
            let json = serde_json::json!({
                "triggerSource": source, "x": number, "request": {"userAttributes": {"email": email}},
            }).to_string();
            let event = event(&json).unwrap();
            prop_assert_eq!(serde_json::to_string(&event).unwrap(), json);
            let read = event.request().unwrap().attribute("email").unwrap();
            prop_assert_eq!(read.unwrap_or_default(), email);
        }
    }
}
