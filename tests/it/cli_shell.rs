//! The completions, the manual, the colors and the exit codes of `cognito-triggers`.

use std::io::Write as _;
use std::process::{Command, Stdio};

use tests::cli::run;
use tests::mock_aws::{MockAws, STACK, USER};

const OPERATING: &str = include_str!("../../docs/operating.md");

/// The lines of `--help` under a heading, as pairs of name and description.
fn listed(help: &str, heading: &str) -> Vec<(String, String)> {
    let lines = help.lines().skip_while(|line| *line != heading).skip(1);
    lines
        .take_while(|line| !line.is_empty())
        // The continuation of a text is indented further.
        .filter_map(|line| line.strip_prefix("  ").filter(|line| !line.starts_with(' '))?.split_once(' '))
        .map(|(name, text)| (name.to_owned(), text.trim().to_owned()))
        .collect()
}

async fn help() -> String {
    let output = run(&["--help"], &[]).await;
    assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""));
    output.stdout
}

async fn commands() -> Vec<String> {
    let commands = listed(&help().await, "Commands:").into_iter().map(|(name, _)| name);
    let commands: Vec<_> = commands.filter(|name| name != "help").collect();
    assert!(commands.contains(&"redrive".to_owned()), "{commands:?}");
    commands
}

async fn script(shell: &str) -> String {
    let output = run(&["completions", shell], &[]).await;
    assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""), "{shell}");
    output.stdout
}

#[tokio::test]
async fn every_shell_gets_every_command() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = script(shell).await;
        for command in commands().await {
            assert!(script.contains(&command), "{shell}: {command}");
        }
    }
}

#[tokio::test]
async fn bash_completes_a_command_and_an_option() {
    let complete = "
        IFS=' ' read -r -a COMP_WORDS <<< \"$LINE\"
        COMP_CWORD=$(( ${#COMP_WORDS[@]} - 1 ))
        word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
        \"$(complete -p cognito-triggers | grep -o -- '-F [^ ]*' | cut -c4-)\" cognito-triggers \"$word\" \"$before\"
        echo \"${COMPREPLY[@]}\"";
    let script = script("bash").await + complete;
    for (line, expected) in [
        ("cognito-triggers redr", "redrive\n"),
        ("cognito-triggers hash --key", "--key-env\n"),
        ("cognito-triggers hash --format j", "json\n"),
    ] {
        let mut bash = Command::new("bash")
            .args(["--norc", "-u", "-s"])
            .env("LINE", line)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("bash starts");
        bash.stdin.take().expect("a pipe").write_all(script.as_bytes()).expect("bash reads");
        let output = bash.wait_with_output().expect("bash ends");
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        assert_eq!((text(output.stdout).as_str(), text(output.stderr).as_str()), (expected, ""), "{line}");
    }
}

#[tokio::test]
async fn the_manual_has_a_page_for_every_command_with_the_exit_codes() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = run(&["man", folder.path().to_str().expect("UTF-8")], &[]).await;
    assert_eq!((output.code, output.stdout.as_str(), output.stderr.as_str()), (Some(0), "", ""));
    let page = |name: &str| std::fs::read_to_string(folder.path().join(format!("{name}.1"))).expect("a page");
    let main = page("cognito-triggers");
    assert_eq!(run(&["man"], &[]).await.stdout, main);
    let commands = commands().await;
    assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 1 + commands.len());
    let codes = listed(&help().await, "Exit codes:");
    for name in commands.iter().map(|name| format!("cognito-triggers-{name}")) {
        let page = page(&name);
        assert!(main.contains(&format!("{}(1)", name.replace('-', "\\-"))), "{name}");
        assert!(page.contains("\\-\\-format"), "{name} has the common options");
        for (code, meaning) in &codes {
            assert!(page.contains(&format!("{code}\n{meaning}")), "{name}: {code}");
        }
    }
}

#[test]
fn the_completion_command_of_the_documentation_works() {
    let block = OPERATING.split("```sh\n").find(|block| block.contains("completions bash")).expect("a block");
    let commands = block.split("```").next().expect("its end");
    let home = tempfile::tempdir().expect("a folder");
    let tools = tests::cli::binary().parent().expect("its folder").display().to_string();
    let ended = Command::new("bash")
        .args(["--norc", "-eu", "-c", commands])
        .env("HOME", home.path())
        .env("PATH", format!("{tools}:/usr/bin:/bin"))
        .status()
        .expect("bash starts");
    assert!(ended.success());
    let share = home.path().join(".local/share");
    let there = |file: &str| std::fs::read_to_string(share.join(file)).expect("the file");
    assert!(there("bash-completion/completions/cognito-triggers").contains("complete -F"));
    assert!(there("man/man1/cognito-triggers-redrive.1").contains(".TH cognito-triggers-redrive 1"));
}

#[tokio::test]
async fn a_missing_folder_is_a_usage_error() {
    let output = run(&["man", "/nowhere/at/all"], &[]).await;
    assert_eq!((output.code, output.stdout.as_str()), (Some(2), ""));
    assert!(output.stderr.starts_with("error: can't write /nowhere/at/all/cognito-triggers.1"), "{output:?}");
}

#[tokio::test]
async fn the_exit_codes_in_the_documentation_are_those_of_the_help() {
    let documented: Vec<_> = OPERATING
        .lines()
        .skip_while(|line| *line != "| Exit code | Means |")
        .skip(2)
        .map_while(|line| line.strip_prefix("| ")?.strip_suffix(" |")?.split_once(" | "))
        .map(|(code, meaning)| (code.to_owned(), meaning.to_owned()))
        .collect();
    assert_eq!(documented, listed(&help().await, "Exit codes:"));
}

#[tokio::test]
async fn colors_appear_on_a_terminal_only() {
    let world = MockAws::start();
    let explain = ["explain", USER, "--stack-name", STACK];
    let piped = world.run(&explain).await;
    assert_eq!(piped.code, Some(0), "{piped:?}");
    assert!(!piped.stdout.contains('\u{1b}'), "{piped:?}");
    let forced = world.begin(&explain, &[("CLICOLOR_FORCE", "1")], "").end().await;
    assert!(forced.stdout.contains("\u{1b}["), "{forced:?}");

    let colored = world.run_on_terminal(&explain, &[]).await;
    assert!(colored.stdout.contains("\u{1b}["), "{colored:?}");
    let plain = world.run_on_terminal(&explain, &[("NO_COLOR", "1")]).await;
    assert_eq!((plain.stdout, plain.code), (piped.stdout, piped.code));
}
