//! `invoke`: invokes a function with an event and shows its response.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use serde_json::Value;
use shared::arn::{function_name, region_of};
use shared::trigger::Trigger;

use crate::aws::Aws;
use crate::aws::lambda::{Functions, InvocationResponse};
use crate::common::Common;
use crate::dry_run::{check_support, read_answer};
use crate::event::{Draft, Kind, set_dry_run};
use crate::exit::{End, Error};
use crate::stack::Stack;
use crate::terminal::output::{Output, Tone, plain};

#[derive(Debug, Args)]
#[command(after_long_help = DETAILS)]
pub(crate) struct Options {
    /// Trigger source as in Cognito's documentation, or the name of its event file; `event --list` shows both
    #[arg(value_name = "KIND", required_unless_present = "event_file", conflicts_with = "event_file",
        value_parser = Kind::parse)]
    kind: Option<Kind>,
    /// Uses the event in this file, unchanged except for the dry run
    #[arg(long, value_name = "FILE", conflicts_with_all = NOT_WITH_A_FILE)]
    event_file: Option<PathBuf>,
    #[command(flatten)]
    draft: Draft,
    /// Name or ARN of the function; default: the stack's function
    #[arg(long, value_name = "NAME")]
    function_name: Option<String>,
    /// Sends the message; without it, the event requests a dry run
    #[arg(long)]
    send: bool,
    /// Shows the end of the function's log
    #[arg(long)]
    log: bool,
}

/// Options that create an event. They conflict with a file: `--email` would not change the address in the file.
const NOT_WITH_A_FILE: [&str; 8] =
    ["user_pool_id", "email", "phone", "locale", "client_metadata", "code", "key_arn", "kms_endpoint_url"];

const DETAILS: &str = "\
The event is the one that `event` would write, or the one in a file. Without --send it requests a dry run: a \
sender decrypts the code and renders the message but sends nothing, and no function counts the event in its \
metrics. An older sender would ignore the request and send the message. So the command first checks that the \
sender supports dry runs, with an event that has no message. With --send, the sender sends the message, to the \
SES mailbox simulator unless --email is another address.

You need lambda:InvokeFunction, cloudformation:DescribeStacks with --stack-name, and kms:GenerateDataKey for an \
event with a code.

The exit code is 1 if the function failed, or if a dry run shows that nothing would be sent.";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct InvokeDocument<'a> {
    function: &'a str,
    /// Whether the event requested a dry run.
    dry_run: bool,
    answer: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    log: Option<&'a str>,
}

pub(crate) async fn run(options: Options, common: &Common, output: &mut Output) -> Result<End, Error> {
    let Options { kind, event_file, draft, function_name, send, log } = options;
    let stack = draft.stack_name.clone();
    let (event, text) = match (kind, event_file) {
        (_, Some(path)) => read(&path)?,
        (Some(kind), None) => {
            let event = draft.event(kind, common).await?;
            let text = event.to_string();
            (event, text)
        }
        (None, None) => return Err(Error::Usage("set KIND or --event-file".to_owned())),
    };
    let source = event.get("triggerSource").and_then(Value::as_str).unwrap_or_default();
    let role = Trigger::of_source(source);
    let region = function_name.as_deref().and_then(region_of);
    let aws = Aws::load(common, region).await?;
    let function = match (function_name, stack) {
        (Some(name), _) => name,
        (None, Some(stack)) => of_stack(&aws, &stack, role).await?,
        (None, None) => {
            return Err(Error::Usage("set --function-name or --stack-name".to_owned()));
        }
    };
    let functions = Functions::new(&aws);
    let dry_run = !send;
    // A function with an unknown trigger may send messages.
    let can_send = role.is_none_or(Trigger::is_sender);
    if dry_run && can_send {
        let sender = role.unwrap_or(Trigger::CustomEmailSender);
        if let Err(problem) = check_support(&functions, &function, sender).await? {
            output.error(&problem);
            return Ok(End::LookAtIt);
        }
    }
    let payload = payload(text, event, dry_run);
    let response = functions.invoke(&function, &payload, dry_run || !can_send).await?;
    show(&function, Mode { dry_run, can_send, log }, &response, output)
}

/// The payload: the text byte by byte, unless `dryRun` must be set or removed.
fn payload(text: String, mut event: Value, dry_run: bool) -> String {
    let unchanged = event.clone();
    set_dry_run(&mut event, dry_run);
    if event == unchanged { text } else { event.to_string() }
}

/// The event in a file, and the file's text.
fn read(path: &PathBuf) -> Result<(Value, String), Error> {
    let problem = |problem: String| Error::Usage(format!("{}: {problem}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| problem(error.to_string()))?;
    let event: Value = serde_json::from_str(&text).map_err(|error| problem(format!("not JSON: {error}")))?;
    if event.is_object() {
        Ok((event, text))
    } else {
        Err(problem("the event must be a JSON object".to_owned()))
    }
}

async fn of_stack(aws: &Aws, stack: &str, role: Option<Trigger>) -> Result<String, Error> {
    let role = role.ok_or_else(|| {
        Error::Usage("the event has an unknown triggerSource: set --function-name".to_owned())
    })?;
    let stack = Stack::load(aws, stack).await?;
    let arn = stack.required_function_arn(role, &format!("the stack doesn't deploy {}", role.package()))?;
    Ok(arn.to_owned())
}

/// How the function is invoked, and what is shown.
#[derive(Clone, Copy)]
struct Mode {
    dry_run: bool,
    /// Whether the function is a sender, or an unknown function.
    can_send: bool,
    /// Whether to show the end of the log.
    log: bool,
}

fn show(
    function: &str,
    mode: Mode,
    response: &InvocationResponse,
    output: &mut Output,
) -> Result<End, Error> {
    let Mode { dry_run, can_send, log } = mode;
    let document: Value = serde_json::from_str(&response.payload).unwrap_or(Value::Null);
    let refused = dry_run && can_send && read_answer(&response.payload).is_none_or(|found| !found.would_send);
    let error = response.function_error.as_ref().map(ToString::to_string);
    let name = function_name(function);
    match &error {
        Some(error) => output.text(Tone::Warning, 2, &format!("{} failed: {error}", plain(name)))?,
        None if dry_run => {
            let not_done = if can_send { "nothing was sent" } else { "the event was not counted" };
            output.text(Tone::Good, 2, &format!("{} responded. Dry run: {not_done}.", plain(name)))?;
        }
        None => output.text(Tone::Good, 2, &format!("{} responded.", plain(name)))?,
    }
    let pretty = serde_json::to_string_pretty(&document).map_err(std::io::Error::from)?;
    if error.is_none() {
        for line in pretty.lines() {
            output.row(Tone::Plain, line)?;
        }
    }
    if log {
        output.text(Tone::Plain, 0, "")?;
        output.text(Tone::Strong, 0, "End of the log")?;
        for line in response.log.lines() {
            let line: String = line.chars().filter(|character| !character.is_control()).collect();
            output.row(Tone::Plain, &line)?;
        }
    }
    let end = if error.is_some() || refused { End::LookAtIt } else { End::Done };
    output.json(&InvokeDocument {
        function,
        dry_run,
        answer: document,
        error,
        log: log.then_some(response.log.as_str()),
    })?;
    Ok(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, dry_run: bool, expected: &str) {
        let event = serde_json::from_str(text).unwrap();
        assert_eq!(payload(text.to_owned(), event, dry_run), expected);
    }

    #[test]
    fn a_file_is_sent_as_it_is_unless_the_dry_run_changes() {
        let text = "{ \"version\": \"1\",\n  \"userName\": \"\\u00e9\", \"number\": 1.50 }\n";
        check(text, false, text);
        let dry = "{ \"dryRun\": true }";
        check(dry, true, dry);
        check(dry, false, "{}");
        check("{ \"a\": 1 }", true, "{\"a\":1,\"dryRun\":true}");
    }
}
