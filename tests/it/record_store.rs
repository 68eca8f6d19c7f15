//! The store's conditional updates behave like the model of the delivery record in `crates/sender/src/record.rs`.

use std::time::Duration;

use client::aws::{Aws, Service};
use client::http::http_client;
use client::time::Deadline;
use proptest::prelude::*;
use sender::record::{ClaimResult, FinalState, MessageKey, Record, State};
use sender::store::{Owner, Store};
use serde_json::{Value, json};
use shared::settings::{InLayer, Settings};
use tests::dynamodb::{DynamoDb, call};
use tests::function::{ACCESS_KEY_ID, REGION, SECRET_ACCESS_KEY};
use tests::moto::Moto;

const TABLE: &str = "deliveries";

/// A step of one of three invocations. The time never decreases.
#[derive(Clone, Debug)]
enum Step {
    Claim { owner: usize, lease: u64 },
    Settle,
    Release { owner: usize, admitted: bool },
}

fn steps() -> impl Strategy<Value = Vec<(u64, Step)>> {
    let step = prop_oneof![
        4 => (0..3usize, 0..40u64).prop_map(|(owner, lease)| Step::Claim { owner, lease }),
        1 => Just(Step::Settle),
        2 => (0..3usize, any::<bool>()).prop_map(|(owner, admitted)| Step::Release { owner, admitted }),
    ];
    proptest::collection::vec((0..20u64, step), 1..12)
}

fn store(table: &DynamoDb) -> Store {
    let (variable, url) = table.endpoint();
    let variables = [
        ("AWS_REGION", REGION),
        ("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID),
        ("AWS_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY),
        (variable, url),
    ];
    let lookup =
        |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
    let aws = Aws::read(&Settings::new(&lookup, &InLayer)).expect("settings");
    Store::new(&aws.config(Service::DynamoDb, None, &http_client()), TABLE.to_owned())
}

/// What the table holds, in the words of the model; owners are named by their place in the list.
fn read(item: &Value) -> Record {
    let number = |name: &str| item[name]["N"].as_str().and_then(|number| number.parse().ok());
    let state = match item["state"]["S"].as_str() {
        Some("claimed") => State::Claimed {
            owner: item["owner"]["S"].as_str().expect("an owner").to_owned(),
            until: number("lease_until").expect("a lease"),
        },
        Some("released") => State::Released,
        Some("done") => State::Done,
        other => panic!("{other:?}"),
    };
    Record {
        state,
        first_claimed: number("first_claimed_at").expect("a time"),
        admitted: number("admitted").map(|admitted| admitted == 1),
    }
}

#[test]
fn the_store_behaves_like_the_model() {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime of tokio");
    let tables = runtime.block_on(async {
        let table = DynamoDb::start(TABLE, None);
        let store = store(&table);
        (table, store)
    });
    let (table, store) = &tables;
    let number = std::cell::Cell::new(0_u32);
    proptest!(ProptestConfig::with_cases(200), |(steps in steps())| {
        number.set(number.get() + 1);
        let key = MessageKey::of_code(&number.get().to_be_bytes());
        let owners: [Owner; 3] = std::array::from_fn(|index| Owner::new(&index.to_string()));
        let mut model: Option<Record> = None;
        let mut now = 1_000;
        for (pause, step) in steps {
            now += pause;
            let deadline = Deadline::after(Duration::from_secs(30));
            runtime.block_on(async {
                match step {
                    Step::Claim { owner, lease } => {
                        let owner = &owners[owner];
                        let answer = store
                            .claim(&key, owner, now, Duration::from_millis(lease), deadline)
                            .await
                            .expect("an answer");
                        let (after, expected) =
                            Record::claim(model.as_ref(), owner.as_str(), now, now + lease);
                        assert_eq!(answer, expected);
                        if !matches!(expected, ClaimResult::Busy | ClaimResult::Done) {
                            assert!(matches!(after.state, State::Claimed { .. }));
                        }
                        model = Some(after);
                    }
                    Step::Settle => {
                        store.settle(&key, FinalState::Sent, "id", now, deadline).await.expect("an answer");
                        model = Some(Record::settle(model.as_ref(), now));
                    }
                    Step::Release { owner, admitted } => {
                        let owner = &owners[owner];
                        store.release(&key, owner, admitted, deadline).await.expect("an answer");
                        model = Record::release(model.as_ref(), owner.as_str(), admitted);
                    }
                }
            });
            let item = table.items().into_iter().find(|item| item["id"]["S"] == key.as_str());
            prop_assert_eq!(item.as_ref().map(read), model.clone());
        }
    });
}

/// The requests of a store that claims, releases, settles and counts, with and without success.
async fn requests_of_the_store() -> Vec<(String, Value)> {
    let table = DynamoDb::start(TABLE, None);
    let store = store(&table);
    let [one, two] = ["one", "two"].map(Owner::new);
    let key = MessageKey::of_code(b"a message");
    let deadline = Deadline::after(Duration::from_secs(30));
    let lease = Duration::from_millis(100);
    for (owner, now) in [(&one, 1_000), (&two, 1_050), (&one, 1_060), (&two, 1_200)] {
        store.claim(&key, owner, now, lease, deadline).await.expect("an answer");
    }
    for (owner, admitted) in [(&one, true), (&two, true), (&two, false)] {
        store.release(&key, owner, admitted, deadline).await.expect("an answer");
    }
    store.claim(&key, &one, 1_300, lease, deadline).await.expect("an answer");
    store.settle(&key, FinalState::Sent, "id", 1_310, deadline).await.expect("an answer");
    store.claim(&key, &two, 2_000, lease, deadline).await.expect("an answer");
    let unclaimed = MessageKey::of_password(b"another", "sms");
    store.release(&unclaimed, &one, true, deadline).await.expect("an answer");
    store.settle(&unclaimed, FinalState::Sent, "id", 1_310, deadline).await.expect("an answer");
    for (amount, room) in [(1, 2), (2, 2), (1, 2), (1, 3)] {
        store.count("sms#a", amount, room, 9_000, deadline).await.expect("an answer");
    }
    table.calls().into_iter().map(|call| (call.body.name, Value::Object(call.body.input))).collect()
}

/// An answer without the prefix of an error's code, the spelling of `message`, and the `ConsumedCapacity` that moto
/// returns without a request for it.
fn comparable((status, body): (u16, Value)) -> (u16, Value) {
    let Value::Object(members) = body else { return (status, body) };
    let members = members.into_iter().filter(|(name, _)| name != "ConsumedCapacity");
    let members = members.map(|(name, value)| match (name.as_str(), value.as_str()) {
        ("__type", Some(code)) => (name, json!(code.rsplit('#').next())),
        ("Message", _) => ("message".to_owned(), value),
        _ => (name, value),
    });
    (status, members.collect())
}

#[tokio::test]
async fn moto_answers_what_the_mock_answers() {
    let mut requests = requests_of_the_store().await;
    let written: std::collections::BTreeSet<_> =
        requests.iter().map(|(_, input)| input["Key"]["id"]["S"].to_string()).collect();
    for id in written {
        let id: Value = serde_json::from_str(&id).expect("JSON");
        let key = json!({ "id": { "S": id } });
        let with = |more: Value| {
            let mut input = json!({ "TableName": TABLE, "Key": key });
            input.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
            input
        };
        let add = json!({
            "UpdateExpression": "ADD amount :one REMOVE outcome",
            "ExpressionAttributeValues": { ":one": { "N": "1" } },
            "ReturnValues": "ALL_NEW",
        });
        let put = json!({
            "TableName": TABLE,
            "Item": { "id": { "S": id }, "state": { "S": "new" } },
            "ConditionExpression": "attribute_not_exists(id)",
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        });
        requests.extend([
            ("GetItem".to_owned(), with(json!({ "ConsistentRead": true }))),
            ("UpdateItem".to_owned(), with(add)),
            ("PutItem".to_owned(), put.clone()),
            ("DeleteItem".to_owned(), with(json!({ "ReturnValues": "ALL_OLD" }))),
            ("GetItem".to_owned(), with(json!({ "ConsistentRead": true }))),
            ("PutItem".to_owned(), put),
            ("GetItem".to_owned(), with(json!({}))),
        ]);
    }
    let (table, moto) = (DynamoDb::start(TABLE, None), Moto::start().await);
    let definition = json!({
        "TableName": TABLE,
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{ "AttributeName": "id", "AttributeType": "S" }],
        "KeySchema": [{ "AttributeName": "id", "KeyType": "HASH" }],
    });
    let (status, body) = call(&moto.url(), "CreateTable", &definition).await;
    assert_eq!(status, 200, "{body}");
    let (mut failed, mut differences) = (0, Vec::new());
    for (operation, input) in &requests {
        let expected = comparable(call(&moto.url(), operation, input).await);
        failed += usize::from(expected.0 != 200);
        let answer = comparable(call(table.url(), operation, input).await);
        if answer != expected {
            differences.push(format!("{operation} {input}\nmoto: {expected:?}\nmock: {answer:?}"));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n\n"));
    assert!(failed > 5, "conditions that don't hold are among the requests: {failed}");
}
