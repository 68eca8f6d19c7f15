//! What to change in the pool, decided without a call.

use pool::plan::{OnConflict, Plan, Refusal};
use pool::triggers::{LambdaConfigMember, Triggers};
use pool::user_pool::{EmailSignIn, UserPool};

use crate::memory::{Memory, TooLong, is};
use crate::request::Properties;

/// Why the pool is not changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// `EmailIsUsername=true`, although email is not the only sign-in attribute.
    #[error("EmailIsUsername=true is wrong for this user pool: {0}")]
    EmailIsNotUsername(&'static str),
    /// The previous functions could not be restored, because the id cannot hold them.
    #[error(transparent)]
    TooLong(#[from] TooLong),
    /// The rules of the control plane.
    #[error("{}", join(.0))]
    Refused(Vec<Refusal>),
    /// `ReplaceTriggers` restores only what the id holds, and an update keeps the id.
    #[error(
        "{member} points to another function, {arn}, which was attached after this stack was created, so \
         deleting the stack could not restore it"
    )]
    CannotBeRestored {
        /// The member.
        member: LambdaConfigMember,
        /// The attached function.
        arn: String,
    },
}

fn join(refusals: &[Refusal]) -> String {
    refusals.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// Checks that email is the only sign-in attribute, so that Cognito keeps email addresses unique.
///
/// It fails closed: with an alias, pre-sign-up would confirm an attacker who signs up with the email address of
/// another user.
///
/// # Errors
/// When it is not.
pub fn check_email_is_username(pool: &UserPool) -> Result<(), Rejection> {
    let lists = |member| {
        pool.members()
            .get(member)
            .and_then(|names| names.as_array())
            .is_some_and(|names| names.iter().any(|name| name == "email"))
    };
    if lists("AliasAttributes") {
        Err(Rejection::EmailIsNotUsername(
            "email is an alias attribute (AliasAttributes), which Cognito moves to the user who verifies it \
             last",
        ))
    } else {
        match pool.email_sign_in() {
            EmailSignIn::Only => Ok(()),
            EmailSignIn::OrPhone => Err(Rejection::EmailIsNotUsername(
                "users can also sign up with a phone number (UsernameAttributes), so Cognito does not keep \
                 email addresses unique",
            )),
            EmailSignIn::Alias | EmailSignIn::No => {
                Err(Rejection::EmailIsNotUsername("email is not a sign-in attribute (UsernameAttributes)"))
            }
        }
    }
}

fn check_if_set(pool: &UserPool, wanted: &Properties) -> Result<(), Rejection> {
    if wanted.email_is_username { check_email_is_username(pool) } else { Ok(()) }
}

/// The first attachment.
///
/// # Errors
/// When other functions are attached that must not be replaced, or could not be restored later.
pub fn attach(pool: &UserPool, wanted: &Properties, memory: &mut Memory) -> Result<Plan, Rejection> {
    check_if_set(pool, wanted)?;
    memory.record(pool, &wanted.triggers);
    memory.text()?;
    let on_conflict = if wanted.replace { OnConflict::Replace } else { OnConflict::Refuse };
    feasible(Plan::attach(pool, &wanted.triggers, &Triggers::default(), on_conflict))
}

/// What an update detaches: members that it no longer wants get back their previous functions.
#[must_use]
pub fn release(pool: &UserPool, wanted: &Properties, former: &Triggers, before: &Triggers) -> Plan {
    let dropped = only(former, |member| wanted.triggers.arn(member).is_none());
    Plan::detach(pool, &dropped, before)
}

/// What an update attaches, and what it leaves to other functions.
///
/// A function that replaced ours stays attached, because CloudFormation could otherwise neither go on nor roll back.
/// Newly wanted members follow the rules of the first attachment, but only functions in the memory can be replaced.
/// Without `ReplaceTriggers` a restored function stays: a rollback looks like a new request.
///
/// # Errors
/// As with [`attach`].
pub fn attach_again(
    pool: &UserPool,
    wanted: &Properties,
    former: &Triggers,
    before: &Triggers,
) -> Result<(Plan, Vec<Refusal>), Rejection> {
    check_if_set(pool, wanted)?;
    let now = pool.triggers();
    let mut triggers = wanted.triggers.clone();
    let mut given_up = Vec::new();
    loop {
        // Our former functions, and other functions that can be restored. What is given up stays as it is.
        let known = only(&now, |member| {
            triggers.arn(member).is_some()
                && (is(member, &now, former) || wanted.replace && is(member, &now, before))
        });
        let plan = Plan::attach(pool, &triggers, &known, OnConflict::Refuse);
        let gives_way =
            |refusal: &&Refusal| is_lost(refusal, former) || !wanted.replace && was_restored(refusal, before);
        let Some(refusal) = plan.refusals.iter().find(gives_way).cloned() else {
            return Ok((check_restorable(plan, wanted)?, given_up));
        };
        triggers = match &refusal {
            Refusal::Occupied { member, .. } => only(&triggers, |other| other != *member),
            _ => only(&triggers, |member| !member.is_sender() && member != LambdaConfigMember::Key),
        };
        // Without a sender, no function uses the key.
        if !triggers.functions().any(|(member, _)| member.is_sender()) {
            triggers = only(&triggers, |member| member != LambdaConfigMember::Key);
        }
        given_up.push(refusal);
    }
}

/// Whether the refusal is about a member that pointed to our function.
fn is_lost(refusal: &Refusal, former: &Triggers) -> bool {
    match refusal {
        Refusal::Occupied { member, .. } => former.arn(*member).is_some(),
        Refusal::KeyInUse { .. } => former.arn(LambdaConfigMember::Key).is_some(),
        Refusal::NoKey | Refusal::EmailByCognito | Refusal::UnknownMembers(_) => false,
    }
}

/// Whether the refusal is about exactly the function that was attached before ours.
fn was_restored(refusal: &Refusal, before: &Triggers) -> bool {
    match refusal {
        Refusal::Occupied { member, arn } | Refusal::KeyInUse { member, arn, .. } => {
            before.arn(*member) == Some(arn)
        }
        Refusal::NoKey | Refusal::EmailByCognito | Refusal::UnknownMembers(_) => false,
    }
}

fn check_restorable(plan: Plan, wanted: &Properties) -> Result<Plan, Rejection> {
    match plan.refusals.first() {
        Some(Refusal::Occupied { member, arn }) if wanted.replace => {
            Err(Rejection::CannotBeRestored { member: *member, arn: arn.clone() })
        }
        _ => feasible(plan),
    }
}

fn feasible(plan: Plan) -> Result<Plan, Rejection> {
    if plan.refusals.is_empty() { Ok(plan) } else { Err(Rejection::Refused(plan.refusals)) }
}

fn only(triggers: &Triggers, keep: impl Fn(LambdaConfigMember) -> bool) -> Triggers {
    LambdaConfigMember::ALL
        .into_iter()
        .filter(|member| keep(*member))
        .fold(Triggers::default(), |kept, member| kept.with(member, triggers.arn(member).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use shared::trigger::Trigger;

    use super::*;

    const OURS: &str = "arn:aws:lambda:eu-central-1:123456789012:function:ours";
    const THEIRS: &str = "arn:aws:lambda:eu-central-1:123456789012:function:theirs";
    const OUR_KEY: &str = "arn:aws:kms:eu-central-1:123456789012:key/1";
    const THEIR_KEY: &str = "arn:aws:kms:eu-central-1:123456789012:key/2";

    fn pool(members: &Value) -> UserPool {
        let mut pool = json!({
            "Id": "eu-central-1_Example01",
            "Arn": "arn:aws:cognito-idp:eu-central-1:123456789012:userpool/eu-central-1_Example01",
        });
        for (name, value) in members.as_object().unwrap() {
            pool[name] = value.clone();
        }
        UserPool::parse(json!({ "UserPool": pool }).to_string().as_bytes()).unwrap()
    }

    fn holding(members: Members<'_>) -> UserPool {
        pool(&json!({ "LambdaConfig": triggers(members).to_lambda_config() }))
    }

    fn triggers(members: Members<'_>) -> Triggers {
        members.iter().fold(Triggers::default(), |triggers, (member, arn)| triggers.with(*member, arn))
    }

    fn wanted(members: Members<'_>, replace: bool) -> Properties {
        let pool = "eu-central-1_Example01".to_owned();
        Properties { pool, triggers: triggers(members), replace, email_is_username: false }
    }

    const PRE_SIGN_UP: LambdaConfigMember = LambdaConfigMember::Function(Trigger::PreSignUp);
    const EMAIL: LambdaConfigMember = LambdaConfigMember::Function(Trigger::CustomEmailSender);
    const SMS: LambdaConfigMember = LambdaConfigMember::Function(Trigger::CustomSmsSender);
    const KEY: LambdaConfigMember = LambdaConfigMember::Key;

    #[test]
    fn email_is_the_username_only_if_it_is_the_only_sign_in_attribute() {
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
            let says_so = Properties { email_is_username: true, ..wanted(&[(PRE_SIGN_UP, OURS)], false) };
            assert_eq!(check_if_set(&pool(&members), &says_so).is_ok(), expected, "{members}");
            assert!(
                check_if_set(&pool(&members), &wanted(&[(PRE_SIGN_UP, OURS)], false)).is_ok(),
                "EmailIsUsername=false"
            );
        }
    }

    type Members<'a> = &'a [(LambdaConfigMember, &'a str)];

    /// The Lambda triggers after an update, and how many it gives up.
    #[track_caller]
    fn check(
        now: Members<'_>,
        (wanted, former, before): (&Properties, Members<'_>, Members<'_>),
        expected: Result<(Members<'_>, usize), Rejection>,
    ) {
        let found = attach_again(&holding(now), wanted, &triggers(former), &triggers(before));
        let found = found.map(|(plan, given_up)| (plan.after().triggers(), given_up.len()));
        assert_eq!(found, expected.map(|(members, given_up)| (triggers(members), given_up)), "{now:?}");
    }

    #[test]
    fn an_update_attaches_to_free_own_and_restorable_members() {
        let senders = [(EMAIL, OURS), (SMS, OURS), (KEY, OUR_KEY)];
        let keep = wanted(&senders, false);
        let replace = wanted(&senders, true);
        check(&[], (&keep, &senders, &[]), Ok((&senders, 0)));
        check(&senders, (&keep, &senders, &[]), Ok((&senders, 0)));
        let email = [(EMAIL, OURS), (KEY, OUR_KEY)];
        check(&email, (&keep, &email, &[]), Ok((&senders, 0)));
        let occupied = [(EMAIL, OURS), (SMS, THEIRS), (KEY, OUR_KEY)];
        let refusal = Refusal::Occupied { member: SMS, arn: THEIRS.to_owned() };
        check(&occupied, (&keep, &email, &[]), Err(Rejection::Refused(vec![refusal])));
        check(&occupied, (&replace, &email, &[(SMS, THEIRS)]), Ok((&senders, 0)));
        let unknown = Rejection::CannotBeRestored { member: SMS, arn: THEIRS.to_owned() };
        check(&occupied, (&replace, &email, &[]), Err(unknown));
    }

    #[test]
    fn a_rollback_keeps_restored_functions() {
        let theirs = [(SMS, THEIRS), (KEY, THEIR_KEY)];
        let keep = wanted(&[(PRE_SIGN_UP, OURS), (SMS, OURS), (KEY, OUR_KEY)], false);
        let now = [(PRE_SIGN_UP, OURS), (SMS, THEIRS), (KEY, THEIR_KEY)];
        check(&now, (&keep, &[(PRE_SIGN_UP, OURS)], &theirs), Ok((&now, 1)));
        let both = wanted(&[(EMAIL, OURS), (SMS, OURS), (KEY, OUR_KEY)], false);
        check(&theirs, (&both, &[], &theirs), Ok((&theirs, 2)));
        // With ReplaceTriggers=true it is replaced again.
        let replace = wanted(&[(SMS, OURS), (KEY, OUR_KEY)], true);
        check(&theirs, (&replace, &[], &theirs), Ok((&[(SMS, OURS), (KEY, OUR_KEY)], 0)));
        let refusal = Refusal::Occupied { member: PRE_SIGN_UP, arn: THEIRS.to_owned() };
        let other = [(PRE_SIGN_UP, THEIRS)];
        check(&other, (&keep, &[], &theirs), Err(Rejection::Refused(vec![refusal])));
    }

    #[test]
    fn an_update_keeps_functions_that_replaced_ours() {
        let senders = [(EMAIL, OURS), (SMS, OURS), (KEY, OUR_KEY)];
        let keep = wanted(&senders, false);
        let one = [(EMAIL, THEIRS), (SMS, OURS), (KEY, OUR_KEY)];
        check(&one, (&keep, &senders, &[]), Ok((&one, 1)));
        // With another key, our senders cannot decrypt. The other members are not affected.
        let key = [(EMAIL, THEIRS), (SMS, OURS), (KEY, THEIR_KEY)];
        check(&key, (&keep, &senders, &[]), Ok((&key, 2)));
        let all = [(PRE_SIGN_UP, OURS), (EMAIL, THEIRS), (SMS, THEIRS), (KEY, THEIR_KEY)];
        let more = wanted(&[(PRE_SIGN_UP, OURS), (EMAIL, OURS), (SMS, OURS), (KEY, OUR_KEY)], true);
        check(&all[1..], (&more, &senders, &[]), Ok((&all, 2)));
    }
}
