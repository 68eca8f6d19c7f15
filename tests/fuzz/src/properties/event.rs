//! Whatever can be read comes back with every member as it came, and is read as any JSON parser reads it.

use serde_json::Value;
use serde_json::value::RawValue;
use shared::event::{Event, EventError, Request, ResponseValue};

/// Checks one event.
pub fn check(text: &str) {
    let Ok(raw) = RawValue::from_string(text.to_owned()) else { return };
    let Ok(mut event) = Event::parse(&raw) else { return };
    let came = shown(&event);
    // Keys are written anew, so only their escapes may differ.
    if !text.contains('\\') {
        assert_eq!(without_white_space(&came), without_white_space(text), "an event comes back as it came");
    }
    let source = event.shown_trigger_source();
    assert_eq!(format!("{event:?}"), format!("Event {{ trigger_source: {source:?}, .. }}"));
    assert!(source == event.trigger_source() || source == "not a name");

    // Numbers out of range and deep nesting are more than the other parser takes.
    let expected: Option<Value> = serde_json::from_str(text).ok();
    if let Some(expected) = &expected {
        assert_eq!(serde_json::from_str(&came).ok().as_ref(), Some(expected));
        assert_eq!(Some(event.trigger_source()), expected.get("triggerSource").and_then(Value::as_str));
        check_request(event.request(), expected.get("request").unwrap_or(&Value::Null));
    }

    let answers =
        [("autoConfirmUser", ResponseValue::Flag(true)), ("emailSubject", ResponseValue::Text("\"é\n</b>"))];
    let responded = event.respond(&answers);
    let Some(mut expected) = expected else { return };
    let response = expected.as_object_mut().map(|event| event.entry("response").or_insert(Value::Null));
    match response.expect("an event is an object") {
        Value::Null | Value::Object(_) => assert_eq!(responded, Ok(())),
        _ => {
            assert!(responded.is_err());
            assert_eq!(shown(&event), came, "what cannot be answered stays as it is");
            return;
        }
    }
    let response = expected.get_mut("response").expect("there is a response");
    if response.is_null() {
        *response = Value::Object(serde_json::Map::new());
    }
    for (name, value) in [("autoConfirmUser", Value::Bool(true)), ("emailSubject", Value::from("\"é\n</b>"))]
    {
        response.as_object_mut().expect("an object").insert(name.to_owned(), value);
    }
    assert_eq!(
        serde_json::from_str::<Value>(&shown(&event)).ok(),
        Some(expected),
        "only the answer is added"
    );
}

fn check_request(request: Result<Request, EventError>, expected: &Value) {
    let object = |value: Option<&Value>| matches!(value, None | Some(Value::Null | Value::Object(_)));
    let attributes = expected.get("userAttributes");
    let readable = object(Some(expected)) && object(attributes);
    assert_eq!(request.is_ok(), readable);
    let Ok(request) = request else { return };
    check_text(&request.text("code"), expected.get("code"));
    check_text(&request.attribute("email"), attributes.and_then(|attributes| attributes.get("email")));
    let locale = expected.get("clientMetadata").and_then(|metadata| metadata.get("locale"));
    if !matches!(locale, Some(Value::Object(_) | Value::Array(_))) {
        check_text(&Ok(request.client_metadata("locale")), locale);
    }
}

fn check_text(read: &Result<Option<String>, EventError>, expected: Option<&Value>) {
    match expected {
        None | Some(Value::Null) => assert_eq!(*read, Ok(None)),
        Some(Value::String(text)) => assert_eq!(*read, Ok((!text.is_empty()).then(|| text.clone()))),
        Some(Value::Object(_) | Value::Array(_)) => assert!(read.is_err()),
        // Kept as it was written, which the other parser does not tell.
        Some(Value::Bool(_) | Value::Number(_)) => assert!(matches!(read, Ok(Some(_)))),
    }
}

fn shown(event: &Event) -> String {
    serde_json::to_string(event).expect("an event can be written")
}

/// JSON without the white space between its tokens, for texts without escapes.
fn without_white_space(json: &str) -> String {
    let mut in_text = false;
    json.chars()
        .filter(|character| {
            in_text ^= *character == '"';
            in_text || !character.is_ascii_whitespace()
        })
        .collect()
}
