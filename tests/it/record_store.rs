//! The delivery record's model (`crates/sender/src/record.rs`) and what the store asks of DynamoDB are the same machine.

use std::time::Duration;

use client::aws::{Aws, Service};
use client::http::http_client;
use client::time::Deadline;
use proptest::prelude::*;
use sender::record::{ClaimResult, FinalState, MessageKey, Record, State};
use sender::store::{Owner, Store};
use serde_json::Value;
use shared::config::Settings;
use tests::dynamodb::DynamoDb;
use tests::function::{ACCESS_KEY_ID, REGION, SECRET_ACCESS_KEY};

const TABLE: &str = "deliveries";

/// What one of three invocations does, at a time that never goes back.
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
    let aws = Aws::read(&Settings::new(&lookup, &|_| Err(String::new()))).expect("settings");
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
fn the_store_does_what_the_model_says() {
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
        let key = MessageKey::of("email", &number.get().to_be_bytes());
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
