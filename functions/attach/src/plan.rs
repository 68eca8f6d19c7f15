//! What becomes of the pool, decided without a call.

use pool::description::{Description, SignInName};
use pool::plan::{Foreign, Plan, Refusal};
use pool::triggers::{Slot, Triggers};

use crate::memory::{Memory, TooLong, is};
use crate::request::Properties;

/// Why nothing may be changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    /// Somebody said that the e-mail address is the user name.
    #[error("EmailIsUsername=true is wrong: {0}")]
    AddressIsNoUserName(&'static str),
    /// What would have to be put back cannot be remembered.
    #[error(transparent)]
    TooLong(#[from] TooLong),
    /// The rules of the control plane.
    #[error("{}", join(.0))]
    Refused(Vec<Refusal>),
    /// `ReplaceTriggers` promises to put back what was there, which the id must hold, and an update keeps the id.
    #[error("{slot} holds another function, {arn}, which came after this stack and so would not be put back")]
    CannotBePutBack {
        /// The slot.
        slot: Slot,
        /// What is in it.
        arn: String,
    },
}

fn join(refusals: &[Refusal]) -> String {
    refusals.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// Whether the pool is one in which nobody's address can be taken from him, as somebody says.
///
/// Trust fails closed: with an alias, the function would confirm whoever signs up with the address of another.
///
/// # Errors
/// When it is not so.
pub fn trusted(pool: &Description) -> Result<(), Why> {
    let lists = |member| {
        pool.members()
            .get(member)
            .and_then(|names| names.as_array())
            .is_some_and(|names| names.iter().any(|name| name == "email"))
    };
    if lists("AliasAttributes") {
        Err(Why::AddressIsNoUserName("in this user pool the e-mail address is an alias (AliasAttributes)"))
    } else {
        match pool.sign_in_name() {
            SignInName::Email => Ok(()),
            SignInName::EmailOrPhone => Err(Why::AddressIsNoUserName(
                "users of this user pool may also sign up with a phone number (UsernameAttributes), so the address is \
                 not what Cognito keeps unique",
            )),
            SignInName::EmailAlias | SignInName::NotEmail => {
                Err(Why::AddressIsNoUserName("UsernameAttributes of this user pool does not list email"))
            }
        }
    }
}

fn trusted_if_said(pool: &Description, wanted: &Properties) -> Result<(), Why> {
    if wanted.email_is_username { trusted(pool) } else { Ok(()) }
}

/// The first attachment.
///
/// # Errors
/// When somebody else's functions are there and may not be replaced, or could not be put back later.
pub fn attach(pool: &Description, wanted: &Properties, memory: &mut Memory) -> Result<Plan, Why> {
    trusted_if_said(pool, wanted)?;
    memory.note(pool, &wanted.triggers);
    memory.to_id()?;
    let foreign = if wanted.replace { Foreign::Replace } else { Foreign::Refuse };
    feasible(Plan::attach(pool, &wanted.triggers, &Triggers::default(), foreign))
}

/// What an update lets go: slots of ours that it does not want any more get back what was there before.
#[must_use]
pub fn let_go(pool: &Description, wanted: &Properties, former: &Triggers, before: &Triggers) -> Plan {
    let dropped = only(former, |slot| wanted.triggers.arn(slot).is_none());
    Plan::detach(pool, &dropped, before)
}

/// What an update takes, and what of its wishes it has given up.
///
/// Somebody who took a slot of ours meanwhile keeps it, or CloudFormation could neither go on nor roll back. What is
/// newly wanted follows the rules of the first attachment, but only what is remembered can be replaced. What was put
/// back keeps its place without `ReplaceTriggers`: a rollback that wants it again cannot be told from a wish.
///
/// # Errors
/// As with [`attach`].
pub fn attach_again(
    pool: &Description,
    wanted: &Properties,
    former: &Triggers,
    before: &Triggers,
) -> Result<(Plan, Vec<Refusal>), Why> {
    trusted_if_said(pool, wanted)?;
    let now = pool.triggers();
    let mut triggers = wanted.triggers.clone();
    let mut given_up = Vec::new();
    loop {
        // Ours of before, and those of others that can be put back. What is given up stays as it is.
        let known = only(&now, |slot| {
            triggers.arn(slot).is_some()
                && (is(slot, &now, former) || wanted.replace && is(slot, &now, before))
        });
        let plan = Plan::attach(pool, &triggers, &known, Foreign::Refuse);
        let gives_way =
            |refusal: &&Refusal| lost(refusal, former) || !wanted.replace && was_put_back(refusal, before);
        let Some(refusal) = plan.refusals.iter().find(gives_way).cloned() else {
            return Ok((may_be_put_back(plan, wanted)?, given_up));
        };
        triggers = match &refusal {
            Refusal::Occupied { slot, .. } => only(&triggers, |other| other != *slot),
            _ => only(&triggers, |slot| !slot.is_sender() && slot != Slot::Key),
        };
        // A key alone has nobody to use it.
        if !triggers.functions().any(|(slot, _)| slot.is_sender()) {
            triggers = only(&triggers, |slot| slot != Slot::Key);
        }
        given_up.push(refusal);
    }
}

/// Whether the refusal is about a slot that was ours.
fn lost(refusal: &Refusal, former: &Triggers) -> bool {
    match refusal {
        Refusal::Occupied { slot, .. } => former.arn(*slot).is_some(),
        Refusal::KeyInUse { .. } => former.arn(Slot::Key).is_some(),
        Refusal::NoKey | Refusal::EmailByCognito | Refusal::UnknownMembers(_) => false,
    }
}

/// Whether the refusal is about exactly what was there before the first of ours.
fn was_put_back(refusal: &Refusal, before: &Triggers) -> bool {
    match refusal {
        Refusal::Occupied { slot, arn } | Refusal::KeyInUse { slot, arn, .. } => {
            before.arn(*slot) == Some(arn)
        }
        Refusal::NoKey | Refusal::EmailByCognito | Refusal::UnknownMembers(_) => false,
    }
}

fn may_be_put_back(plan: Plan, wanted: &Properties) -> Result<Plan, Why> {
    match plan.refusals.first() {
        Some(Refusal::Occupied { slot, arn }) if wanted.replace => {
            Err(Why::CannotBePutBack { slot: *slot, arn: arn.clone() })
        }
        _ => feasible(plan),
    }
}

fn feasible(plan: Plan) -> Result<Plan, Why> {
    if plan.refusals.is_empty() { Ok(plan) } else { Err(Why::Refused(plan.refusals)) }
}

fn only(triggers: &Triggers, keep: impl Fn(Slot) -> bool) -> Triggers {
    Slot::ALL
        .into_iter()
        .filter(|slot| keep(*slot))
        .fold(Triggers::default(), |kept, slot| kept.with(slot, triggers.arn(slot).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const OURS: &str = "arn:aws:lambda:eu-central-1:123456789012:function:ours";
    const THEIRS: &str = "arn:aws:lambda:eu-central-1:123456789012:function:theirs";
    const OUR_KEY: &str = "arn:aws:kms:eu-central-1:123456789012:key/1";
    const THEIR_KEY: &str = "arn:aws:kms:eu-central-1:123456789012:key/2";

    fn pool(members: &Value) -> Description {
        let mut pool = json!({
            "Id": "eu-central-1_Example01",
            "Arn": "arn:aws:cognito-idp:eu-central-1:123456789012:userpool/eu-central-1_Example01",
        });
        for (name, value) in members.as_object().unwrap() {
            pool[name] = value.clone();
        }
        Description::parse(json!({ "UserPool": pool }).to_string().as_bytes()).unwrap()
    }

    fn holding(slots: Slots<'_>) -> Description {
        pool(&json!({ "LambdaConfig": triggers(slots).to_lambda_config() }))
    }

    fn triggers(slots: Slots<'_>) -> Triggers {
        slots.iter().fold(Triggers::default(), |triggers, (slot, arn)| triggers.with(*slot, arn))
    }

    fn wanted(slots: Slots<'_>, replace: bool) -> Properties {
        let pool = "eu-central-1_Example01".to_owned();
        Properties { pool, triggers: triggers(slots), replace, email_is_username: false }
    }

    use Slot::{CustomEmailSender as Email, CustomSmsSender as Sms, Key, PreSignUp};

    #[test]
    fn an_address_is_a_user_name_only_where_nobody_can_take_it() {
        for (members, expected) in [
            (json!({ "UsernameAttributes": ["email"] }), true),
            (json!({ "UsernameAttributes": ["phone_number", "email"] }), false),
            (json!({ "UsernameAttributes": ["phone_number"] }), false),
            (json!({ "UsernameAttributes": [] }), false),
            (json!({}), false),
            (json!({ "AliasAttributes": ["email"] }), false),
            (json!({ "AliasAttributes": ["email"], "UsernameAttributes": ["email"] }), false),
            (json!({ "AliasAttributes": ["preferred_username"], "UsernameAttributes": ["email"] }), true),
        ] {
            let says_so = Properties { email_is_username: true, ..wanted(&[(PreSignUp, OURS)], false) };
            assert_eq!(trusted_if_said(&pool(&members), &says_so).is_ok(), expected, "{members}");
            assert!(
                trusted_if_said(&pool(&members), &wanted(&[(PreSignUp, OURS)], false)).is_ok(),
                "nobody says so"
            );
        }
    }

    type Slots<'a> = &'a [(Slot, &'a str)];

    /// What an update makes of a pool, and how much it gives up.
    #[track_caller]
    fn check(
        now: Slots<'_>,
        (wanted, former, before): (&Properties, Slots<'_>, Slots<'_>),
        expected: Result<(Slots<'_>, usize), Why>,
    ) {
        let found = attach_again(&holding(now), wanted, &triggers(former), &triggers(before));
        let found = found.map(|(plan, given_up)| (plan.after().triggers(), given_up.len()));
        assert_eq!(found, expected.map(|(slots, given_up)| (triggers(slots), given_up)), "{now:?}");
    }

    #[test]
    fn an_update_takes_what_is_free_ours_or_remembered() {
        let senders = [(Email, OURS), (Sms, OURS), (Key, OUR_KEY)];
        let keep = wanted(&senders, false);
        let replace = wanted(&senders, true);
        check(&[], (&keep, &senders, &[]), Ok((&senders, 0)));
        check(&senders, (&keep, &senders, &[]), Ok((&senders, 0)));
        let email = [(Email, OURS), (Key, OUR_KEY)];
        check(&email, (&keep, &email, &[]), Ok((&senders, 0)));
        let occupied = [(Email, OURS), (Sms, THEIRS), (Key, OUR_KEY)];
        let refusal = Refusal::Occupied { slot: Sms, arn: THEIRS.to_owned() };
        check(&occupied, (&keep, &email, &[]), Err(Why::Refused(vec![refusal])));
        check(&occupied, (&replace, &email, &[(Sms, THEIRS)]), Ok((&senders, 0)));
        let unknown = Why::CannotBePutBack { slot: Sms, arn: THEIRS.to_owned() };
        check(&occupied, (&replace, &email, &[]), Err(unknown));
    }

    #[test]
    fn a_rollback_gives_way_to_what_was_put_back() {
        let theirs = [(Sms, THEIRS), (Key, THEIR_KEY)];
        let keep = wanted(&[(PreSignUp, OURS), (Sms, OURS), (Key, OUR_KEY)], false);
        let now = [(PreSignUp, OURS), (Sms, THEIRS), (Key, THEIR_KEY)];
        check(&now, (&keep, &[(PreSignUp, OURS)], &theirs), Ok((&now, 1)));
        let both = wanted(&[(Email, OURS), (Sms, OURS), (Key, OUR_KEY)], false);
        check(&theirs, (&both, &[], &theirs), Ok((&theirs, 2)));
        // With the word of somebody it is taken again.
        let replace = wanted(&[(Sms, OURS), (Key, OUR_KEY)], true);
        check(&theirs, (&replace, &[], &theirs), Ok((&[(Sms, OURS), (Key, OUR_KEY)], 0)));
        let refusal = Refusal::Occupied { slot: PreSignUp, arn: THEIRS.to_owned() };
        let other = [(PreSignUp, THEIRS)];
        check(&other, (&keep, &[], &theirs), Err(Why::Refused(vec![refusal])));
    }

    #[test]
    fn an_update_gives_way_to_whoever_took_a_place_of_ours() {
        let senders = [(Email, OURS), (Sms, OURS), (Key, OUR_KEY)];
        let keep = wanted(&senders, false);
        let one = [(Email, THEIRS), (Sms, OURS), (Key, OUR_KEY)];
        check(&one, (&keep, &senders, &[]), Ok((&one, 1)));
        // With a key of their own, ours can read nothing any more; the other places are not lost with it.
        let key = [(Email, THEIRS), (Sms, OURS), (Key, THEIR_KEY)];
        check(&key, (&keep, &senders, &[]), Ok((&key, 2)));
        let all = [(PreSignUp, OURS), (Email, THEIRS), (Sms, THEIRS), (Key, THEIR_KEY)];
        let more = wanted(&[(PreSignUp, OURS), (Email, OURS), (Sms, OURS), (Key, OUR_KEY)], true);
        check(&all[1..], (&more, &senders, &[]), Ok((&all, 2)));
    }
}
