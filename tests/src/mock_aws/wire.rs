//! Requests and answers on the wire, from and to JSON in the member names of the API.
//!
//! <https://smithy.io/2.0/aws/protocols/index.html>

use std::collections::BTreeMap;
use std::convert::Infallible;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use minicbor::Encoder;
use minicbor::data::IanaTag;
use serde_json::{Map, Value, json};

use super::model::{self, Member, Operation, Protocol, Service, Shape, Structure};
use super::{cbor, time};
use crate::http::{Request, Response};
use crate::service::Refusal;
use crate::signature;

/// A request as it is understood.
pub(super) struct Asked {
    pub(super) operation: Operation,
    pub(super) request: Value,
    /// The Region that it was signed for.
    pub(super) region: String,
    /// The session token of the credentials that it was signed with; for a role, the mock makes it the role's ARN.
    pub(super) session_token: Option<String>,
}

/// Finds the service by the name that the request is signed for; that is also how a refusal is written.
pub(super) fn service(request: &Request) -> Option<(Service, String)> {
    let authorization = request.header("authorization")?;
    let scope = authorization.split_once("Credential=")?.1.split(',').next()?;
    let mut parts = scope.split('/').skip(2);
    let (region, signing_name) = (parts.next()?, parts.next()?);
    let service = model::services().find(|service| service.signing_name() == signing_name)?;
    Some((service, region.to_owned()))
}

/// Checks the signature and reads the request.
pub(super) fn read(service: Service, region: String, request: &Request) -> Result<Asked, Refusal> {
    signature::check(request, service.signing_name()).map_err(Refusal::of_signature)?;
    let read = match service.protocol() {
        Protocol::Json => read_json(service, request),
        Protocol::Query => read_form(service, request),
        Protocol::RestJson => read_rest(service, request),
        Protocol::Cbor => read_cbor(service, request),
    };
    let session_token = request.header("x-amz-security-token").map(str::to_owned);
    let what = || format!("{} {}", request.method, request.target);
    let (operation, request) = read.ok_or_else(|| {
        let hint = "tools/service_model.py has the list of the operations that are known here";
        Refusal::new(400, "UnknownOperationException", format!("{}: {hint}", what()))
    })?;
    model::check_request(operation, &request).map_err(|wrong| {
        Refusal::new(400, "ValidationException", format!("the request is wrong: {wrong}"))
    })?;
    Ok(Asked { operation, request, region, session_token })
}

fn body(request: &Request) -> Option<Value> {
    if request.body.is_empty() { Some(json!({})) } else { serde_json::from_slice(&request.body).ok() }
}

fn read_json(service: Service, request: &Request) -> Option<(Operation, Value)> {
    let name = request.header("x-amz-target")?.strip_prefix(service.target())?.strip_prefix('.')?;
    Some((service.operation(name)?, body(request)?))
}

fn read_cbor(service: Service, request: &Request) -> Option<(Operation, Value)> {
    let path = request.target.strip_prefix("/service/")?.strip_prefix(service.target())?;
    let operation = service.operation(path.strip_prefix("/operation/")?)?;
    let right = request.header("smithy-protocol") == Some("rpc-v2-cbor");
    let input = if request.body.is_empty() { Some(json!({})) } else { cbor::decode(&request.body) };
    Some((operation, input.filter(|_| right)?))
}

fn read_form(service: Service, request: &Request) -> Option<(Operation, Value)> {
    let form: BTreeMap<String, String> = form_urlencoded::parse(&request.body).into_owned().collect();
    let operation = service.operation(form.get("Action")?)?;
    let input = operation.input().map(|input| form_structure(service, input, "", &form));
    Some((operation, input.flatten().unwrap_or_else(|| json!({}))))
}

fn form_structure(
    service: Service,
    structure: Structure,
    prefix: &str,
    form: &BTreeMap<String, String>,
) -> Option<Value> {
    let members: Map<_, _> = structure
        .members()
        .filter_map(|member| {
            let key = format!("{prefix}{}", member.location_name);
            Some((member.name.to_owned(), form_value(service, member.shape, &key, form)?))
        })
        .collect();
    (!members.is_empty()).then_some(Value::Object(members))
}

fn form_value(
    service: Service,
    shape: &'static str,
    key: &str,
    form: &BTreeMap<String, String>,
) -> Option<Value> {
    // The SDKs write an empty list as its name without a number.
    let numbered = |prefix: String, shape| {
        (1..).map_while(move |n| form_value(service, shape, &format!("{prefix}.{n}"), form))
    };
    match service.shape(shape) {
        Shape::Structure(structure) => form_structure(service, structure, &format!("{key}."), form),
        Shape::List { member, name, flattened } => {
            let prefix = if flattened { key.to_owned() } else { format!("{key}.{name}") };
            let elements: Vec<_> = numbered(prefix, member).collect();
            (!elements.is_empty() || form.contains_key(key)).then_some(Value::Array(elements))
        }
        Shape::Map { value, key_name, value_name } => {
            let entries: Map<_, _> = (1..)
                .map_while(|n| {
                    let name = form.get(&format!("{key}.entry.{n}.{key_name}"))?;
                    let value = form_value(service, value, &format!("{key}.entry.{n}.{value_name}"), form)?;
                    Some((name.clone(), value))
                })
                .collect();
            (!entries.is_empty() || form.contains_key(key)).then_some(Value::Object(entries))
        }
        Shape::Enumeration(_) => Some(json!(form.get(key)?)),
        Shape::Plain(kind) => typed(kind, form.get(key)?),
    }
}

/// A text of a form, path or header as the type that it has.
fn typed(kind: &str, text: &str) -> Option<Value> {
    Some(match kind {
        "boolean" => json!(text == "true"),
        "integer" | "long" => json!(text.parse::<i64>().ok()?),
        "float" | "double" => json!(text.parse::<f64>().ok()?),
        _ => json!(text),
    })
}

fn read_rest(service: Service, request: &Request) -> Option<(Operation, Value)> {
    let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
    let (operation, labels) = service.operations().find_map(|operation| {
        let labels = labels(operation.uri(), path).filter(|_| operation.method() == request.method)?;
        Some((operation, labels))
    })?;
    let Some(input) = operation.input() else { return Some((operation, json!({}))) };
    let query: Map<_, _> = form_urlencoded::parse(query.as_bytes())
        .map(|(name, value)| (name.into_owned(), json!(value)))
        .collect();
    let mut members = Map::new();
    match input.payload() {
        Some(member) => {
            // As text, so that a test can compare it byte by byte.
            let text = String::from_utf8(request.body.clone()).ok()?;
            members.insert(member.name.to_owned(), json!(text));
        }
        None => members.extend(body(request)?.as_object()?.clone()),
    }
    for member in input.members() {
        let name = member.location_name;
        let text = match member.location {
            Some("uri") => labels.get(name).map(String::as_str),
            Some("querystring") => query.get(name).and_then(Value::as_str),
            Some("header") => request.header(name),
            _ => None,
        };
        if let Some(text) = text {
            let Shape::Plain(kind) = service.shape(member.shape) else {
                members.insert(member.name.to_owned(), json!(text));
                continue;
            };
            members.insert(member.name.to_owned(), typed(kind, text)?);
        }
    }
    Some((operation, Value::Object(members)))
}

/// The labels of a path, if it is of that template.
fn labels(template: &str, path: &str) -> Option<BTreeMap<String, String>> {
    let (mut template, mut path) = (template.split('/'), path.split('/'));
    let mut labels = BTreeMap::new();
    loop {
        let (expected, given) = match (template.next(), path.next()) {
            (None, None) => return Some(labels),
            // Some templates end with a slash that no SDK sends.
            (Some(""), None) if template.next().is_none() => return Some(labels),
            (expected, given) => (expected?, given?),
        };
        match expected.strip_prefix('{').and_then(|label| label.strip_suffix('}')) {
            Some(label) if !given.is_empty() => labels.insert(label.to_owned(), decoded(given)?),
            None if expected == given => None,
            _ => return None,
        };
    }
}

fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let mut digit = || char::from(rest.next()?).to_digit(16);
        let byte = if byte == b'%' { u8::try_from(digit()? * 16 + digit()?).ok()? } else { byte };
        bytes.push(byte);
    }
    String::from_utf8(bytes).ok()
}

/// Writes a good answer, which `model::check` has seen.
pub(super) fn write(operation: Operation, answer: &Value) -> Response {
    let service = operation.service;
    match service.protocol() {
        Protocol::Json => Response::new(200, &json_type(service), written(operation, answer).to_string()),
        Protocol::RestJson => write_rest(operation, answer),
        Protocol::Query => {
            let mut body = String::new();
            if let Some(output) = operation.output() {
                xml_structure(service, output, answer, &mut body);
            }
            let (name, namespace) = (operation.name, service.namespace());
            let body = format!(
                "<{name}Response xmlns=\"{namespace}\"><{name}Result>{body}</{name}Result><ResponseMetadata>\
                 <RequestId>{REQUEST_ID}</RequestId></ResponseMetadata></{name}Response>"
            );
            Response::new(200, "text/xml", body)
        }
        Protocol::Cbor => {
            let body = cbor_body(|encoder| match operation.output() {
                Some(output) => cbor_structure(service, output, answer, encoder),
                None => encoder.map(0)?.ok(),
            });
            Response::new(200, "application/cbor", body).with("smithy-protocol", "rpc-v2-cbor")
        }
    }
    .with("x-amzn-requestid", REQUEST_ID)
}

const REQUEST_ID: &str = "00000000-1111-2222-3333-444444444444";

fn json_type(service: Service) -> String {
    format!("application/x-amz-json-{}", service.json_version())
}

/// An answer with its times as JSON protocols write them.
fn written(operation: Operation, answer: &Value) -> Value {
    match operation.output() {
        Some(output) => json_structure(operation.service, output, answer),
        None => json!({}),
    }
}

fn json_structure(service: Service, structure: Structure, value: &Value) -> Value {
    let Value::Object(members) = value else { return value.clone() };
    let written = members.iter().map(|(name, value)| {
        let member = structure.member(name);
        (
            name.clone(),
            member.map_or_else(|| value.clone(), |member| json_value(service, member.shape, value)),
        )
    });
    Value::Object(written.collect())
}

fn json_value(service: Service, shape: &'static str, value: &Value) -> Value {
    match (service.shape(shape), value) {
        (Shape::Structure(structure), _) => json_structure(service, structure, value),
        (Shape::List { member, .. }, Value::Array(elements)) => {
            elements.iter().map(|value| json_value(service, member, value)).collect()
        }
        (Shape::Map { value: shape, .. }, Value::Object(entries)) => Value::Object(
            entries.iter().map(|(key, value)| (key.clone(), json_value(service, shape, value))).collect(),
        ),
        (Shape::Plain("timestamp"), Value::String(text)) => json!(time::seconds(text)),
        _ => value.clone(),
    }
}

fn write_rest(operation: Operation, answer: &Value) -> Response {
    let Some(output) = operation.output() else {
        return Response::new(operation.status(), "application/json", "");
    };
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let mut body = json_structure(operation.service, output, answer);
    let mut status = operation.status();
    let mut headers = Vec::new();
    let mut remove =
        |member: Member| body.as_object_mut()?.remove(member.name).filter(|value| !value.is_null());
    for member in output.members() {
        match member.location {
            Some("statusCode") => {
                let given = remove(member).and_then(|value| value.as_u64()?.try_into().ok());
                status = given.unwrap_or(status);
            }
            Some("header") => {
                headers.extend(remove(member).map(|value| (member.location_name, text(&value))));
            }
            _ => {}
        }
    }
    let body = match output.payload() {
        Some(member) => remove(member).as_ref().map(text).unwrap_or_default(),
        None if status == 204 => String::new(),
        None => body.to_string(),
    };
    let response = Response::new(status, "application/json", body);
    headers.into_iter().fold(response, |response, (name, value)| response.with(name, value))
}

fn xml_structure(service: Service, structure: Structure, value: &Value, body: &mut String) {
    for member in structure.members() {
        if let Some(value) = value.get(member.name).filter(|value| !value.is_null()) {
            xml_value(service, member.shape, member.location_name, value, body);
        }
    }
}

fn xml_value(service: Service, shape: &'static str, tag: &str, value: &Value, body: &mut String) {
    if let Shape::List { member, flattened: true, .. } = service.shape(shape) {
        for element in value.as_array().into_iter().flatten() {
            xml_value(service, member, tag, element, body);
        }
        return;
    }
    body.extend(["<", tag, ">"]);
    match service.shape(shape) {
        Shape::Structure(structure) => xml_structure(service, structure, value, body),
        Shape::List { member, name, .. } => {
            for element in value.as_array().into_iter().flatten() {
                xml_value(service, member, name, element, body);
            }
        }
        Shape::Map { value: shape, key_name, value_name } => {
            for (key, value) in value.as_object().into_iter().flatten() {
                body.push_str("<entry>");
                xml_value(service, "string", key_name, &json!(key), body);
                xml_value(service, shape, value_name, value, body);
                body.push_str("</entry>");
            }
        }
        Shape::Plain("timestamp") if value.is_number() => {
            body.push_str(&time::text(value.as_f64().unwrap_or_default()));
        }
        Shape::Plain(_) | Shape::Enumeration(_) => {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            body.push_str(&escaped(&text));
        }
    }
    body.extend(["</", tag, ">"]);
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// The outcome of writing to a `Vec`, which can't fail.
type Written = Result<(), minicbor::encode::Error<Infallible>>;

fn cbor_body(write: impl FnOnce(&mut Encoder<Vec<u8>>) -> Written) -> Vec<u8> {
    let mut encoder = Encoder::new(Vec::new());
    write(&mut encoder).expect("a Vec has room");
    encoder.into_writer()
}

fn cbor_structure(
    service: Service,
    structure: Structure,
    value: &Value,
    encoder: &mut Encoder<Vec<u8>>,
) -> Written {
    let members: Vec<_> = value
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(name, value)| Some((structure.member(name)?, value)))
        .filter(|(_, value)| !value.is_null())
        .collect();
    encoder.map(members.len() as u64)?;
    for (member, value) in members {
        encoder.str(member.name)?;
        cbor_value(service, member.shape, value, encoder)?;
    }
    Ok(())
}

fn cbor_value(
    service: Service,
    shape: &'static str,
    value: &Value,
    encoder: &mut Encoder<Vec<u8>>,
) -> Written {
    let (elements, entries) = (value.as_array(), value.as_object());
    match service.shape(shape) {
        Shape::Structure(structure) => return cbor_structure(service, structure, value, encoder),
        Shape::List { member, .. } => {
            encoder.array(elements.map_or(0, Vec::len) as u64)?;
            for element in elements.into_iter().flatten() {
                cbor_value(service, member, element, encoder)?;
            }
            return Ok(());
        }
        Shape::Map { value: shape, .. } => {
            encoder.map(entries.map_or(0, Map::len) as u64)?;
            for (key, value) in entries.into_iter().flatten() {
                encoder.str(key)?;
                cbor_value(service, shape, value, encoder)?;
            }
            return Ok(());
        }
        Shape::Plain("timestamp") => {
            let seconds = value.as_f64().or_else(|| time::seconds(value.as_str()?));
            encoder.tag(IanaTag::Timestamp)?.f64(seconds.unwrap_or_default())
        }
        Shape::Plain("float" | "double") => encoder.f64(value.as_f64().unwrap_or_default()),
        Shape::Plain("integer" | "long") => encoder.i64(value.as_i64().unwrap_or_default()),
        Shape::Plain("boolean") => encoder.bool(value.as_bool().unwrap_or_default()),
        Shape::Plain(_) | Shape::Enumeration(_) => encoder.str(value.as_str().unwrap_or_default()),
    }?
    .ok()
}

/// Writes a refusal as the service does.
pub(super) fn refuse(service: Service, refusal: &Refusal) -> Response {
    let Refusal { status, code, message, .. } = refusal;
    let mut body = Map::from_iter(refusal.details.clone());
    match service.protocol() {
        Protocol::Json => {
            body.insert("__type".to_owned(), json!(code));
            body.insert("message".to_owned(), json!(message));
            Response::new(*status, &json_type(service), Value::Object(body).to_string())
        }
        Protocol::RestJson => {
            body.insert("message".to_owned(), json!(message));
            Response::new(*status, "application/json", Value::Object(body).to_string())
                .with("x-amzn-ErrorType", code.as_str())
        }
        Protocol::Query => {
            let (kind, namespace) = (if *status < 500 { "Sender" } else { "Receiver" }, service.namespace());
            let (code, message) = (escaped(code), escaped(message));
            let body = format!(
                "<ErrorResponse xmlns=\"{namespace}\"><Error><Type>{kind}</Type><Code>{code}</Code><Message>\
                 {message}</Message></Error><RequestId>{REQUEST_ID}</RequestId></ErrorResponse>"
            );
            Response::new(*status, "text/xml", body)
        }
        Protocol::Cbor => {
            let body = cbor_body(|encoder| {
                encoder.map(2)?.str("__type")?.str(code)?.str("message")?.str(message)?.ok()
            });
            Response::new(*status, "application/cbor", body)
                .with("smithy-protocol", "rpc-v2-cbor")
                .with("x-amzn-query-error", format!("{code};Sender"))
        }
    }
}

/// The status and the code that an expired session token is refused with.
pub(super) fn expired(service: Service) -> (u16, &'static str) {
    match service.protocol() {
        Protocol::Json => (400, "ExpiredTokenException"),
        Protocol::RestJson => (403, "ExpiredTokenException"),
        Protocol::Query | Protocol::Cbor => (403, "ExpiredToken"),
    }
}

/// Bytes as the JSON of the APIs holds them.
pub(super) fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// The other way round.
pub(super) fn from_base64(value: Option<&Value>) -> Option<Vec<u8>> {
    STANDARD.decode(value?.as_str()?).ok()
}
