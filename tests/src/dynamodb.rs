//! A mock of DynamoDB: the operations on single items, in AWS JSON 1.0, with their expressions.
//!
//! <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_UpdateItem.html>. The header `x-amz-crc32` of
//! the real answers is left out: the SDK for Rust does not read it (aws-sdk-dynamodb 1.136).
//!
//! The integration tests make over 10,000 calls, and each would take moto 7 ms, or 43 ms on a busy machine. So they use
//! this mock instead of moto, and `tests/it/record_store.rs` compares the two.

mod expression;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use serde_json::{Map, Value, json};

use crate::aws_json;
use crate::http::{Request, Response, post};
use crate::service::{Protocol, Refusal, Service};
use crate::signature;
use crate::tls::Tls;

use expression::{Attribute, Condition, Item, Placeholders, Update, invalid};

/// The partition key, a string. There is no sort key.
const KEY: &str = "id";

/// A mock of DynamoDB that holds one table, with the partition key `id`.
///
/// A conditional write whose condition does not hold is a call that was not accepted.
pub type DynamoDb = Service<Table>;

/// The protocol of [`DynamoDb`], and the table.
pub struct Table {
    name: String,
    /// By the value of the key.
    items: Mutex<BTreeMap<String, Item>>,
}

/// A request to [`DynamoDb`].
#[derive(Clone, Debug, PartialEq)]
pub struct Operation {
    /// Such as `UpdateItem`.
    pub name: String,
    /// The request's JSON, with every field.
    pub input: Map<String, Value>,
}

impl Service<Table> {
    /// Listens, with TLS if there is a certificate authority, and knows only the table of that name, which is empty.
    #[must_use]
    pub fn start(table_name: &str, tls: Option<&Tls>) -> Self {
        Self::serve(Table { name: table_name.to_owned(), items: Mutex::default() }, tls)
    }

    /// All items, ordered by key, as the service writes them: `{"id": {"S": "…"}, "amount": {"N": "1"}}`.
    #[must_use]
    pub fn items(&self) -> Vec<Value> {
        self.protocol().items().values().map(to_json).collect()
    }

    /// Removes all items, without a request.
    pub fn empty(&self) {
        self.protocol().items().clear();
    }

    /// Puts an item into the table without a request, and replaces an item with the same key.
    ///
    /// # Panics
    /// When it is not an item as [`items`](Self::items) gives them.
    #[track_caller]
    pub fn put(&self, item: &Value) {
        let item = item.as_object().expect("an item is an object");
        let (key, item) = whole_item(item).unwrap_or_else(|refusal| panic!("{}", refusal.message));
        self.protocol().items().insert(key, item);
    }
}

/// Makes a signed call of an operation, such as `GetItem`, and returns the status and the body of the response.
///
/// # Panics
/// If the server at `url` doesn't respond.
pub async fn call(url: &str, operation: &str, input: &Value) -> (u16, Value) {
    let headers = vec![("x-amz-target".to_owned(), format!("DynamoDB_20120810.{operation}"))];
    let body = input.to_string().into_bytes();
    let mut request = Request { method: "POST".to_owned(), target: "/".to_owned(), headers, body };
    signature::add(&mut request, Table::SIGNING_NAME);
    let address = url.trim_start_matches("http://").parse().expect("an address");
    let response = post(address, "/", &request.headers, &request.body).await;
    let response = response.unwrap_or_else(|error| panic!("{operation} at {url}: {error}"));
    (response.status, serde_json::from_slice(&response.body).unwrap_or_default())
}

impl Table {
    fn items(&self) -> MutexGuard<'_, BTreeMap<String, Item>> {
        self.items.lock().expect("no holder panics")
    }

    /// Writes what `after` makes of the item with that key, if the condition holds.
    fn write(
        &self,
        input: &Map<String, Value>,
        key: String,
        mut placeholders: Placeholders,
        after: impl FnOnce(&Item) -> Result<Option<Item>, Refusal>,
    ) -> Result<Value, Refusal> {
        let condition = text(input, "ConditionExpression")
            .map(|expression| Condition::parse(expression, &mut placeholders))
            .transpose()?;
        placeholders.finish()?;
        self.check_name(input)?;
        let mut items = self.items();
        let before = items.get(&key).cloned();
        let is_old_wanted = |member| text(input, member) == Some("ALL_OLD");
        if !condition.is_none_or(|condition| condition.holds(before.as_ref().unwrap_or(&Item::new()))) {
            let refusal = Refusal::new(400, CONDITION_FAILED, "The conditional request failed");
            return Err(match before.filter(|_| is_old_wanted("ReturnValuesOnConditionCheckFailure")) {
                Some(before) => refusal.with("Item", to_json(&before)),
                None => refusal,
            });
        }
        let after = after(before.as_ref().unwrap_or(&Item::new()))?;
        match after.clone() {
            Some(after) => items.insert(key, after),
            None => items.remove(&key),
        };
        let returned = match text(input, "ReturnValues") {
            Some("ALL_OLD") => before,
            Some("ALL_NEW") => after,
            _ => None,
        };
        Ok(returned.map_or_else(|| json!({}), |item| json!({ "Attributes": to_json(&item) })))
    }

    fn update(&self, input: &Map<String, Value>) -> Result<Value, Refusal> {
        let mut placeholders = Placeholders::read(input)?;
        let update = match text(input, "UpdateExpression") {
            Some(expression) => Some(Update::parse(expression, &mut placeholders)?),
            None => None,
        };
        if update.iter().flat_map(Update::names).any(|name| name == KEY) {
            return Err(invalid(format!(
                "One or more parameter values were invalid: Cannot update attribute {KEY}. \
                 This attribute is part of the key"
            )));
        }
        let key = key(input)?;
        self.write(input, key.clone(), placeholders, |before| {
            let Some(update) = update else {
                return Ok(Some(with_key(before.clone(), key)));
            };
            // "DELETE - Nothing happens; there is no attribute to delete", says the API reference of a missing
            // item; REMOVE is its successor.
            if before.is_empty() && update.only_removes() {
                return Ok(None);
            }
            Ok(Some(with_key(update.apply(before)?, key)))
        })
    }

    fn put_item(&self, input: &Map<String, Value>) -> Result<Value, Refusal> {
        let (key, item) = whole_item(object(input, "Item")?)?;
        self.write(input, key, Placeholders::read(input)?, |_| Ok(Some(item)))
    }

    fn delete(&self, input: &Map<String, Value>) -> Result<Value, Refusal> {
        self.write(input, key(input)?, Placeholders::read(input)?, |_| Ok(None))
    }

    fn get(&self, input: &Map<String, Value>) -> Result<Value, Refusal> {
        let key = key(input)?;
        self.check_name(input)?;
        Ok(self.items().get(&key).map_or_else(|| json!({}), |item| json!({ "Item": to_json(item) })))
    }

    fn check_name(&self, input: &Map<String, Value>) -> Result<(), Refusal> {
        if text(input, "TableName") == Some(&self.name) {
            Ok(())
        } else {
            Err(Refusal::new(400, "ResourceNotFoundException", "Requested resource not found"))
        }
    }
}

const CONDITION_FAILED: &str = "ConditionalCheckFailedException";

impl Protocol for Table {
    type Body = Operation;

    const SIGNING_NAME: &'static str = "dynamodb";
    const ENDPOINT_VARIABLE: &'static str = "AWS_ENDPOINT_URL_DYNAMODB";

    fn parse(&self, request: &Request) -> Result<Operation, Refusal> {
        let (name, input) = aws_json::operation(request, "DynamoDB_20120810.")?;
        match members(&name) {
            Some(_) => Ok(Operation { name, input }),
            None => Err(aws_json::unknown(&name)),
        }
    }

    /// Updates of delivery records are repeated as they are. Those of counters are never repeated.
    fn is_repetition(before: &Operation, body: &Operation) -> bool {
        let id = body.input.get("Key").and_then(|key| key.pointer("/id/S")?.as_str());
        before == body && body.name == "UpdateItem" && id.is_some_and(|id| id.starts_with("delivery#"))
    }

    fn accept(&self, body: &Operation, _: usize) -> Result<Response, Refusal> {
        let Operation { name, input } = body;
        let known = members(name).unwrap_or_default();
        // A service ignores what it does not know; here it would hide a mistake.
        if let Some(member) = input.keys().find(|member| !known.contains(&member.as_str())) {
            return Err(invalid(format!("{member} is not known here")));
        }
        let values: &[&str] = match name.as_str() {
            "UpdateItem" => &["NONE", "ALL_OLD", "ALL_NEW"],
            _ => &["NONE", "ALL_OLD"],
        };
        for (member, values) in
            [("ReturnValues", values), ("ReturnValuesOnConditionCheckFailure", &["NONE", "ALL_OLD"])]
        {
            if text(input, member).is_some_and(|value| !values.contains(&value)) {
                return Err(invalid(format!("{member} must be one of {values:?} here")));
            }
        }
        let output = match name.as_str() {
            "UpdateItem" => self.update(input),
            "PutItem" => self.put_item(input),
            "DeleteItem" => self.delete(input),
            _ => self.get(input),
        };
        Ok(aws_json::answer(&output?))
    }

    fn refuse(&self, refusal: &Refusal) -> Response {
        // What the framework of the service refuses has another prefix than what the service itself does.
        let prefix = match refusal.code.as_str() {
            "" => "",
            "ValidationException" => "com.amazon.coral.validate#",
            "UnknownOperationException"
            | "SerializationException"
            | "IncompleteSignatureException"
            | "ExpiredTokenException" => "com.amazon.coral.service#",
            _ => "com.amazonaws.dynamodb.v20120810#",
        };
        aws_json::refuse(refusal, prefix)
    }
}

/// The members of the input of each operation that are known.
fn members(operation: &str) -> Option<&'static [&'static str]> {
    Some(match operation {
        "UpdateItem" => &[
            "TableName",
            "Key",
            "UpdateExpression",
            "ConditionExpression",
            "ExpressionAttributeNames",
            "ExpressionAttributeValues",
            "ReturnValues",
            "ReturnValuesOnConditionCheckFailure",
        ],
        "PutItem" => &[
            "TableName",
            "Item",
            "ConditionExpression",
            "ExpressionAttributeNames",
            "ExpressionAttributeValues",
            "ReturnValues",
            "ReturnValuesOnConditionCheckFailure",
        ],
        "DeleteItem" => &[
            "TableName",
            "Key",
            "ConditionExpression",
            "ExpressionAttributeNames",
            "ExpressionAttributeValues",
            "ReturnValues",
            "ReturnValuesOnConditionCheckFailure",
        ],
        "GetItem" => &["TableName", "Key", "ConsistentRead"],
        _ => return None,
    })
}

fn text<'a>(input: &'a Map<String, Value>, member: &str) -> Option<&'a str> {
    input.get(member).and_then(Value::as_str)
}

fn object<'a>(input: &'a Map<String, Value>, member: &str) -> Result<&'a Map<String, Value>, Refusal> {
    input.get(member).and_then(Value::as_object).ok_or_else(|| invalid(format!("{member} is missing")))
}

/// The value of the key in the `Key` of a request, which must have no other member.
fn key(input: &Map<String, Value>) -> Result<String, Refusal> {
    let key = object(input, "Key")?;
    match (key.len(), key.get(KEY).map(Attribute::from_json).transpose()?) {
        (1, Some(Attribute::S(key))) if !key.is_empty() => Ok(key),
        _ => Err(invalid("The provided key element does not match the schema")),
    }
}

/// An item with its key.
fn whole_item(item: &Map<String, Value>) -> Result<(String, Item), Refusal> {
    let attribute = |(name, value): (&String, &Value)| Ok((name.clone(), Attribute::from_json(value)?));
    let item: Item = item.iter().map(attribute).collect::<Result<_, _>>()?;
    match item.get(KEY) {
        Some(Attribute::S(key)) if !key.is_empty() => Ok((key.clone(), item)),
        _ => Err(invalid(format!(
            "One or more parameter values were invalid: Missing the key {KEY} in the item, or not a string"
        ))),
    }
}

fn with_key(mut item: Item, key: String) -> Item {
    item.insert(KEY.to_owned(), Attribute::S(key));
    item
}

fn to_json(item: &Item) -> Value {
    item.iter().map(|(name, value)| (name.clone(), value.to_json())).collect::<Map<_, _>>().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::Reply;

    const TABLE: &str = "deliveries";

    /// A table with the item `{id: "a", n: 5, s: "b", state: "done"}`.
    fn table() -> DynamoDb {
        let table = DynamoDb::start(TABLE, None);
        table.put(&seed());
        table
    }

    fn seed() -> Value {
        json!({ "id": { "S": "a" }, "n": { "N": "5" }, "s": { "S": "b" }, "state": { "S": "done" } })
    }

    /// Placeholders as a request has them: strings that begin with `#` are names, all others values.
    fn request(key: &str, update: &str, condition: &str, placeholders: &[(&str, Value)]) -> Value {
        let mut request = json!({ "TableName": TABLE, "Key": { "id": { "S": key } } });
        for (member, text) in [("UpdateExpression", update), ("ConditionExpression", condition)] {
            if !text.is_empty() {
                request[member] = json!(text);
            }
        }
        for (key, value) in placeholders {
            let member =
                if key.starts_with('#') { "ExpressionAttributeNames" } else { "ExpressionAttributeValues" };
            request[member][*key] = value.clone();
        }
        request
    }

    async fn update(table: &DynamoDb, request: &Value) -> (u16, Value) {
        table.call("DynamoDB_20120810.UpdateItem", request).await.unwrap()
    }

    /// Whether a condition holds for the seeded item.
    #[track_caller]
    fn check(condition: &str, placeholders: &[(&str, Value)], expected: bool) {
        let table = Table { name: TABLE.to_owned(), items: Mutex::default() };
        let (key, item) = whole_item(seed().as_object().unwrap()).unwrap();
        table.items().insert(key, item);
        let request = request("a", "", condition, placeholders);
        let outcome = table.update(request.as_object().unwrap());
        match &outcome {
            Ok(_) => assert!(expected, "{condition}: it holds"),
            Err(refusal) => {
                assert_eq!(refusal.code, CONDITION_FAILED, "{condition}: {}", refusal.message);
                assert!(!expected, "{condition}: it does not hold");
            }
        }
    }

    /// Why a request is not valid.
    #[track_caller]
    fn check_invalid(update: &str, condition: &str, placeholders: &[(&str, Value)], message: &str) {
        let table = Table { name: TABLE.to_owned(), items: Mutex::default() };
        let request = request("a", update, condition, placeholders);
        let refusal = table.update(request.as_object().unwrap()).unwrap_err();
        assert_eq!(refusal.code, "ValidationException");
        assert!(refusal.message.contains(message), "{} does not say {message}", refusal.message);
    }

    fn n(number: i32) -> Value {
        json!({ "N": number.to_string() })
    }

    fn s(text: &str) -> Value {
        json!({ "S": text })
    }

    #[test]
    fn numbers_are_compared_by_value_and_strings_by_bytes() {
        for (operator, expected) in [
            ("=", [false, true, false]),
            ("<>", [true, false, true]),
            ("<", [true, false, false]),
            ("<=", [true, true, false]),
            (">", [false, false, true]),
            (">=", [false, true, true]),
        ] {
            for ((number, text), expected) in [(10, "c"), (5, "b"), (4, "B")].into_iter().zip(expected) {
                check(&format!("n {operator} :v"), &[(":v", n(number))], expected);
                check(&format!("s {operator} :v"), &[(":v", s(text))], expected);
            }
        }
    }

    #[test]
    fn comparisons_with_nothing_or_another_type_are_false_except_not_equal() {
        for operator in ["=", "<", "<=", ">", ">="] {
            check(&format!("gone {operator} :v"), &[(":v", n(5))], false);
            check(&format!(":v {operator} gone"), &[(":v", n(5))], false);
            check(&format!("gone {operator} gone_too"), &[], false);
            check(&format!("n {operator} :v"), &[(":v", s("5"))], false);
        }
        check("gone <> :v", &[(":v", n(5))], true);
        check("gone <> gone_too", &[], true);
        check("n <> :v", &[(":v", s("5"))], true);
    }

    #[test]
    fn not_binds_before_and_and_and_before_or() {
        let yes = "attribute_exists(id)";
        let no = "attribute_not_exists(id)";
        check(yes, &[], true);
        check(no, &[], false);
        check("attribute_not_exists(gone)", &[], true);
        check(&format!("{yes} OR {no} AND {no}"), &[], true);
        check(&format!("({yes} OR {no}) AND {no}"), &[], false);
        check(&format!("NOT {no} AND {yes}"), &[], true);
        check(&format!("NOT ({no} AND {yes})"), &[], true);
        check(&format!("not {yes} or {yes}"), &[], true);
        check(&format!("NOT NOT {yes}"), &[], true);
    }

    #[test]
    fn what_dynamodb_calls_invalid_is_invalid() {
        check_invalid("SET a = :v", "", &[], "value used in expression is not defined; attribute value: :v");
        check_invalid("SET #a = :v", "", &[(":v", n(1))], "is not defined; attribute name: #a");
        check_invalid(
            "SET a = :v",
            "",
            &[(":v", n(1)), (":w", n(1))],
            "Values unused in expressions: keys: {:w}",
        );
        check_invalid("SET a = :v", "", &[(":v", n(1)), ("#n", json!("n"))], "Names unused");
        check_invalid("SET owner = :v", "", &[(":v", n(1))], "reserved keyword: owner");
        check_invalid(
            "",
            "State = :v",
            &[(":v", n(1))],
            "Invalid ConditionExpression: Attribute name is a reserved",
        );
        check_invalid("SET id = :v", "", &[(":v", s("b"))], "Cannot update attribute id");
        check_invalid("SET a = :v REMOVE a", "", &[(":v", n(1))], "Two document paths overlap");
        check_invalid(
            "SET a = :v SET b = :v",
            "",
            &[(":v", n(1))],
            "The \"SET\" section can only be used once",
        );
        check_invalid("ADD a :v", "", &[(":v", s("1"))], "Incorrect operand type");
        check_invalid("SET a = b", "", &[], "refers to an attribute that does not exist in the item");
        check_invalid(
            "SET a = :v",
            "",
            &[(":v", json!({ "N": "x" }))],
            "cannot be converted to a numeric value",
        );
        for wrong in
            ["", "a = :v", "SET", "SET a", "SET a = :v,", "SET a == :v", "SET a = :v b", "DELETE a :v"]
        {
            check_invalid(
                if wrong.is_empty() { " " } else { wrong },
                "",
                &[(":v", n(1))],
                "Invalid UpdateExpression",
            );
        }
        for wrong in [
            "a",
            "a =",
            "= :v",
            "a = :v AND",
            "(a = :v",
            "a = :v)",
            "a = 5",
            "attribute_exists(:v)",
            "ä = :v",
        ] {
            check_invalid("", wrong, &[(":v", n(1))], "Invalid ConditionExpression: Syntax error");
        }
        let mut empty = request("a", "", "", &[]);
        empty["ExpressionAttributeValues"] = json!({});
        let table = Table { name: TABLE.to_owned(), items: Mutex::default() };
        let refusal = table.update(empty.as_object().unwrap()).unwrap_err();
        assert_eq!(refusal.message, "ExpressionAttributeValues must not be empty");
    }

    #[tokio::test]
    async fn an_update_sets_adds_and_removes() {
        let table = table();
        let expression =
            "SET n = :n, m = n, s = if_not_exists(s, :n), t = if_not_exists(t, :n) ADD k :n REMOVE #state";
        let mut request = request("a", expression, "", &[(":n", n(7)), ("#state", json!("state"))]);
        request["ReturnValues"] = json!("ALL_OLD");
        assert_eq!(update(&table, &request).await, (200, json!({ "Attributes": seed() })));
        let item = json!({ "id": s("a"), "k": n(7), "m": n(5), "n": n(7), "s": s("b"), "t": n(7) });
        assert_eq!(table.items(), [item]);

        request["UpdateExpression"] = json!("ADD n :n REMOVE #state");
        request["ReturnValues"] = json!("ALL_NEW");
        let (_, answer) = update(&table, &request).await;
        assert_eq!(answer["Attributes"]["n"], n(14));

        let text = self::request("a", "ADD s :n", "", &[(":n", n(7))]);
        let (status, answer) = update(&table, &text).await;
        assert_eq!(
            (status, answer["__type"].as_str()),
            (400, Some("com.amazon.coral.validate#ValidationException"))
        );
        assert_eq!(answer["message"], "An operand in the update expression has an incorrect data type");
        assert_eq!(table.accepted().len(), 2);
    }

    #[tokio::test]
    async fn a_missing_item_is_created_unless_attributes_are_only_removed() {
        let table = DynamoDb::start(TABLE, None);
        let mut request = request("b", "REMOVE n", "", &[]);
        request["ReturnValues"] = json!("ALL_OLD");
        assert_eq!(update(&table, &request).await, (200, json!({})));
        assert!(table.items().is_empty());
        request["UpdateExpression"] = json!("ADD n :n");
        request["ExpressionAttributeValues"] = json!({ ":n": n(1) });
        assert_eq!(update(&table, &request).await, (200, json!({})));
        assert_eq!(table.items(), [json!({ "id": s("b"), "n": n(1) })]);
    }

    #[tokio::test]
    async fn a_condition_that_fails_changes_nothing_and_gives_the_item_if_asked_to() {
        let table = table();
        let mut request = request("a", "SET n = :n", "n < :n", &[(":n", n(5))]);
        let failed = json!({
            "__type": "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException",
            "message": "The conditional request failed",
        });
        assert_eq!(update(&table, &request).await, (400, failed.clone()));
        request["ReturnValuesOnConditionCheckFailure"] = json!("ALL_OLD");
        let (_, answer) = update(&table, &request).await;
        assert_eq!(answer["Item"], seed());
        assert_eq!(table.items(), [seed()]);
        assert!(table.accepted().is_empty());

        request["Key"] = json!({ "id": s("nowhere") });
        assert_eq!(update(&table, &request).await, (400, failed), "no item, no Item");
    }

    #[tokio::test]
    async fn a_claim_is_won_once_until_its_lease_runs_out() {
        let table = DynamoDb::start(TABLE, None);
        let claim = |owner: &str, now: i32| {
            let mut request = request(
                "delivery#1",
                "SET #state = :claimed, #owner = :owner, lease_until = :until, \
                 first_claimed_at = if_not_exists(first_claimed_at, :now), expires_at = :expires ADD claims :one",
                "attribute_not_exists(id) OR (#state <> :done AND (lease_until <= :now OR #owner = :owner))",
                &[
                    ("#state", json!("state")),
                    ("#owner", json!("owner")),
                    (":claimed", s("claimed")),
                    (":done", s("done")),
                    (":owner", s(owner)),
                    (":now", n(now)),
                    (":until", n(now + 10)),
                    (":expires", n(1000)),
                    (":one", n(1)),
                ],
            );
            request["ReturnValues"] = json!("ALL_OLD");
            request["ReturnValuesOnConditionCheckFailure"] = json!("ALL_OLD");
            request
        };
        assert_eq!(update(&table, &claim("one", 1)).await, (200, json!({})));
        let (status, answer) = update(&table, &claim("two", 10)).await;
        assert_eq!((status, &answer["Item"]["owner"]), (400, &s("one")));
        assert_eq!(update(&table, &claim("one", 2)).await.0, 200, "its owner may claim it again");
        let (status, answer) = update(&table, &claim("two", 12)).await;
        assert_eq!((status, &answer["Attributes"]["owner"]), (200, &s("one")));
        let item = &table.items()[0];
        assert_eq!((&item["claims"], &item["first_claimed_at"]), (&n(3), &n(1)));

        let settle = request(
            "delivery#1",
            "SET #state = :done REMOVE #owner, lease_until",
            "",
            &[("#state", json!("state")), ("#owner", json!("owner")), (":done", s("done"))],
        );
        assert_eq!(update(&table, &settle).await.0, 200);
        assert_eq!(update(&table, &claim("two", 99)).await.0, 400, "what is done stays done");
    }

    #[tokio::test]
    async fn items_are_put_read_and_deleted() {
        let table = table();
        let call = async |name: &str, request: Value| {
            table.call(&format!("DynamoDB_20120810.{name}"), &request).await.unwrap()
        };
        let key = json!({ "TableName": TABLE, "Key": { "id": s("a") } });
        assert_eq!(call("GetItem", key.clone()).await, (200, json!({ "Item": seed() })));
        let new = json!({ "id": s("a") });
        let put = json!({ "TableName": TABLE, "Item": new, "ReturnValues": "ALL_OLD" });
        assert_eq!(call("PutItem", put.clone()).await, (200, json!({ "Attributes": seed() })));
        assert_eq!(table.items(), [new]);
        let mut only_new = put;
        only_new["ConditionExpression"] = json!("attribute_not_exists(id)");
        assert_eq!(call("PutItem", only_new).await.0, 400);
        assert_eq!(call("DeleteItem", key.clone()).await, (200, json!({})));
        assert_eq!(call("GetItem", key).await, (200, json!({})));
    }

    #[tokio::test]
    async fn another_table_another_key_and_unknown_requests_are_rejected() {
        let table = table();
        let code = async |name: &str, request: Value| {
            let (status, answer) = table.call(&format!("DynamoDB_20120810.{name}"), &request).await.unwrap();
            assert_eq!(status, 400, "{request}");
            answer["__type"].as_str().unwrap().split('#').next_back().unwrap().to_owned()
        };
        let good = json!({ "TableName": TABLE, "Key": { "id": s("a") } });
        let with = |member: &str, value: Value| {
            let mut request = good.clone();
            request[member] = value;
            request
        };
        let elsewhere = with("TableName", json!("elsewhere"));
        assert_eq!(code("UpdateItem", elsewhere.clone()).await, "ResourceNotFoundException");
        assert_eq!(code("GetItem", elsewhere).await, "ResourceNotFoundException");
        for key in
            [json!({}), json!({ "id": n(1) }), json!({ "id": s("") }), json!({ "id": s("a"), "n": n(1) })]
        {
            assert_eq!(code("GetItem", with("Key", key)).await, "ValidationException");
        }
        assert_eq!(
            code("UpdateItem", with("ReturnValues", json!("UPDATED_NEW"))).await,
            "ValidationException"
        );
        assert_eq!(code("DeleteItem", with("ReturnValues", json!("ALL_NEW"))).await, "ValidationException");
        assert_eq!(code("UpdateItem", with("Expected", json!({}))).await, "ValidationException");
        assert_eq!(code("Scan", good).await, "UnknownOperationException");
        assert!(table.accepted().is_empty());
    }

    #[tokio::test]
    async fn faults_can_be_scripted_before_and_after_the_write() {
        let table = DynamoDb::start(TABLE, None);
        let request = request("a", "ADD n :n", "", &[(":n", n(1))]);
        table.script([Reply::ResetBefore, Reply::error(400, "ThrottlingException"), Reply::ResetAfter]);
        assert!(table.call("DynamoDB_20120810.UpdateItem", &request).await.is_err());
        let (_, answer) = update(&table, &request).await;
        assert_eq!(answer["__type"], "com.amazonaws.dynamodb.v20120810#ThrottlingException");
        assert!(table.items().is_empty());
        assert!(table.call("DynamoDB_20120810.UpdateItem", &request).await.is_err());
        assert_eq!(table.items(), [json!({ "id": s("a"), "n": n(1) })]);
        table.clear();
        assert_eq!(table.items().len(), 1, "the items stay");
    }

    #[tokio::test]
    async fn a_repeated_update_of_a_record_is_no_further_request() {
        let table = DynamoDb::start(TABLE, None);
        table.script([Reply::Ok, Reply::bare(500)]);
        let request = |id: &str| request(id, "ADD n :n", "", &[(":n", n(1))]);
        for _ in 0..2 {
            assert_eq!(update(&table, &request("delivery#a")).await.0, 200);
        }
        assert_eq!(table.attempts(), 1);
        assert_eq!(update(&table, &request("delivery#b")).await.0, 500);
        assert_eq!(table.attempts(), 2);
    }
}
