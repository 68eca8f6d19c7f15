//! The shapes of AWS's operations, as `tools/service_model.py` writes them down.

use std::sync::LazyLock;

use serde_json::{Map, Value};

static SERVICES: LazyLock<Value> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../../fixtures/services.json")).expect("the fixture is JSON")
});

/// A service that the mock plays.
#[derive(Clone, Copy, Debug)]
pub(super) struct Service {
    /// The prefix of its IAM actions, as in `ses:GetAccount`.
    pub(super) prefix: &'static str,
    spec: &'static Value,
}

/// An operation of a service.
#[derive(Clone, Copy, Debug)]
pub(super) struct Operation {
    pub(super) service: Service,
    pub(super) name: &'static str,
    spec: &'static Value,
}

/// How a service is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Json,
    RestJson,
    Query,
    Cbor,
}

/// What a value looks like.
#[derive(Clone, Copy, Debug)]
pub(super) enum Shape {
    Structure(Structure),
    List {
        member: &'static str,
        name: &'static str,
        flattened: bool,
    },
    Map {
        value: &'static str,
        key_name: &'static str,
        value_name: &'static str,
    },
    /// One of these texts.
    Enumeration(&'static [Value]),
    /// `string`, `integer`, `long`, `float`, `double`, `boolean`, `timestamp`, `blob`.
    Plain(&'static str),
}

/// Members by name.
#[derive(Clone, Copy, Debug)]
pub(super) struct Structure {
    spec: &'static Value,
}

/// A member of a structure.
#[derive(Clone, Copy, Debug)]
pub(super) struct Member {
    pub(super) name: &'static str,
    pub(super) shape: &'static str,
    /// `uri`, `querystring`, `header`, `statusCode`, or none for the body.
    pub(super) location: Option<&'static str>,
    /// What it is called there.
    pub(super) location_name: &'static str,
}

fn string(value: &'static Value, name: &str) -> Option<&'static str> {
    value.get(name).and_then(Value::as_str)
}

fn entries(value: Option<&'static Value>) -> impl Iterator<Item = (&'static String, &'static Value)> {
    value.and_then(Value::as_object).into_iter().flatten()
}

/// All services.
pub(super) fn services() -> impl Iterator<Item = Service> {
    entries(Some(&*SERVICES)).map(|(prefix, spec)| Service { prefix, spec })
}

/// The operation of that name, such as `ses:GetAccount`.
pub(super) fn operation(name: &str) -> Option<Operation> {
    let (prefix, name) = name.split_once(':')?;
    services().find(|service| service.prefix == prefix)?.operation(name)
}

impl Service {
    pub(super) fn operations(self) -> impl Iterator<Item = Operation> {
        let operations = entries(self.spec.get("operations"));
        operations.map(move |(name, spec)| Operation { service: self, name, spec })
    }

    pub(super) fn operation(self, name: &str) -> Option<Operation> {
        self.operations().find(|operation| operation.name == name)
    }

    pub(super) fn protocol(self) -> Protocol {
        match string(self.spec, "protocol") {
            Some("json") => Protocol::Json,
            Some("rest-json") => Protocol::RestJson,
            Some("query") => Protocol::Query,
            Some("cbor") => Protocol::Cbor,
            other => panic!("the protocol {other:?}"),
        }
    }

    pub(super) fn signing_name(self) -> &'static str {
        string(self.spec, "signing_name").expect("every service is signed for")
    }

    /// What stands before the operation in a target header or path.
    pub(super) fn target(self) -> &'static str {
        string(self.spec, "target").unwrap_or_default()
    }

    pub(super) fn json_version(self) -> &'static str {
        string(self.spec, "json_version").unwrap_or("1.1")
    }

    pub(super) fn namespace(self) -> &'static str {
        string(self.spec, "namespace").unwrap_or_default()
    }

    /// The shape of that name.
    pub(super) fn shape(self, name: &'static str) -> Shape {
        let Some(spec) = self.spec.get("shapes").and_then(|shapes| shapes.get(name)) else {
            return Shape::Plain(name);
        };
        let word = |key, otherwise| string(spec, key).unwrap_or(otherwise);
        match word("type", "") {
            "structure" => Shape::Structure(Structure { spec }),
            "list" => Shape::List {
                member: word("member", ""),
                name: word("name", "member"),
                flattened: spec.get("flattened").is_some(),
            },
            "map" => Shape::Map {
                value: word("value", ""),
                key_name: word("key_name", "key"),
                value_name: word("value_name", "value"),
            },
            _ => Shape::Enumeration(spec.get("enum").and_then(Value::as_array).map_or(&[], Vec::as_slice)),
        }
    }
}

impl Operation {
    /// As in `ses:GetAccount`.
    pub(super) fn full_name(self) -> String {
        format!("{}:{}", self.service.prefix, self.name)
    }

    pub(super) fn method(self) -> &'static str {
        string(self.spec, "method").unwrap_or("POST")
    }

    /// The path, with `{labels}`.
    pub(super) fn uri(self) -> &'static str {
        string(self.spec, "uri").unwrap_or("/")
    }

    /// The HTTP status of a good answer.
    pub(super) fn status(self) -> u16 {
        self.spec
            .get("status")
            .and_then(Value::as_u64)
            .and_then(|status| status.try_into().ok())
            .unwrap_or(200)
    }

    pub(super) fn input(self) -> Option<Structure> {
        self.side("input")
    }

    pub(super) fn output(self) -> Option<Structure> {
        self.side("output")
    }

    fn side(self, side: &str) -> Option<Structure> {
        match self.service.shape(string(self.spec, side)?) {
            Shape::Structure(structure) => Some(structure),
            other => panic!("{other:?} is no structure"),
        }
    }
}

impl Structure {
    pub(super) fn members(self) -> impl Iterator<Item = Member> {
        entries(self.spec.get("members")).map(|(name, spec)| Member {
            name,
            shape: spec.as_str().or_else(|| string(spec, "shape")).unwrap_or_default(),
            location: string(spec, "location"),
            location_name: string(spec, "locationName").unwrap_or(name),
        })
    }

    pub(super) fn member(self, name: &str) -> Option<Member> {
        self.members().find(|member| member.name == name)
    }

    /// The members that are always there.
    pub(super) fn required(self) -> impl Iterator<Item = &'static str> {
        self.spec.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
    }

    /// The member that is the body, if it is not all of them.
    pub(super) fn payload(self) -> Option<Member> {
        self.member(string(self.spec, "payload")?)
    }
}

/// A member that AWS may add one day: the mock accepts it with any value.
fn future(name: &str) -> bool {
    name.starts_with("Future")
}

/// Whether a service could return this response; the error says what is wrong with it.
pub(super) fn check(operation: Operation, answer: &Value) -> Result<(), String> {
    let Some(output) = operation.output() else {
        let empty = answer.is_null() || answer.as_object().is_some_and(Map::is_empty);
        return if empty { Ok(()) } else { Err(format!("{} answers nothing", operation.full_name())) };
    };
    let payload = output.payload().map(|member| member.name);
    check_structure(operation.service, output, answer, &operation.full_name(), payload)
}

/// Whether a service would accept a request; the error says what is wrong with it. AWS itself overlooks members that it does not
/// know; here such a member is a mistake.
pub(super) fn check_request(operation: Operation, request: &Value) -> Result<(), String> {
    let Some(input) = operation.input() else { return Ok(()) };
    let payload = input.payload().map(|member| member.name);
    check_structure(operation.service, input, request, &operation.full_name(), payload)
}

fn check_structure(
    service: Service,
    structure: Structure,
    value: &Value,
    place: &str,
    payload: Option<&str>,
) -> Result<(), String> {
    let Value::Object(members) = value else { return Err(format!("{place} is an object")) };
    if let Some(missing) = structure.required().find(|&name| members.get(name).is_none_or(Value::is_null)) {
        return Err(format!("{place} always has {missing}"));
    }
    for (name, value) in members {
        let place = format!("{place}.{name}");
        match structure.member(name) {
            None if future(name) => {}
            None => {
                let known: Vec<_> = structure.members().map(|member| member.name).collect();
                return Err(format!("{place} is unknown; there are {}, and Future…", known.join(", ")));
            }
            Some(_) if value.is_null() || payload == Some(name) => {}
            Some(member) => check_value(service, member.shape, value, &place)?,
        }
    }
    Ok(())
}

fn check_value(service: Service, shape: &'static str, value: &Value, place: &str) -> Result<(), String> {
    let wrong = |what: &str| Err(format!("{place} is {what}, not {value}"));
    match service.shape(shape) {
        Shape::Structure(structure) => check_structure(service, structure, value, place, None),
        Shape::List { member, .. } => {
            let Value::Array(elements) = value else { return wrong("a list") };
            elements
                .iter()
                .enumerate()
                .try_for_each(|(n, value)| check_value(service, member, value, &format!("{place}[{n}]")))
        }
        Shape::Map { value: shape, .. } => {
            let Value::Object(entries) = value else { return wrong("a map") };
            entries
                .iter()
                .try_for_each(|(key, value)| check_value(service, shape, value, &format!("{place}[{key}]")))
        }
        // A text that is not in the list today may be tomorrow.
        Shape::Enumeration(known) => match value.as_str() {
            Some(text) if text.starts_with("FUTURE") || known.contains(value) => Ok(()),
            _ => wrong(&format!("one of {known:?} or FUTURE…")),
        },
        Shape::Plain(kind) => {
            let right = match kind {
                "boolean" => value.is_boolean(),
                "integer" | "long" => value.is_i64() || value.is_u64(),
                "float" | "double" => value.is_number(),
                "timestamp" => value.is_number() || value.as_str().and_then(super::time::seconds).is_some(),
                _ => value.is_string(),
            };
            if right { Ok(()) } else { wrong(&format!("a {kind}")) }
        }
    }
}
