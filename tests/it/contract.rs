//! Facts that several files state and that must agree.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use shared::parameter::MORE_SETTINGS;
use shared::settings::sender::ALLOW_CODES_WITHOUT_POOL;
use shared::settings::{InLayer, Settings};

use crate::fixtures::deployed;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned()
}

fn read(file: &str) -> String {
    std::fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

pub(crate) fn cargo(arguments: &[&str]) -> String {
    let output =
        Command::new(env!("CARGO")).args(arguments).current_dir(root()).output().expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// Every variable that a function reads, as the parser of its settings requests it.
fn asked(read: impl Fn(&Settings<'_>)) -> BTreeSet<String> {
    let names = RefCell::new(BTreeSet::new());
    let lookup = |name: &str| {
        names.borrow_mut().insert(name.to_owned());
        None
    };
    read(&Settings::new(&lookup, &InLayer));
    // Logging reads its level separately.
    names.borrow_mut().insert("LOG_LEVEL".to_owned());
    let asked = names.borrow().clone();
    asked.into_iter().filter(|name| !name.starts_with("AWS_")).collect()
}

pub(crate) fn settings_of_all_functions() -> BTreeMap<&'static str, BTreeSet<String>> {
    let random = &[0; 32];
    BTreeMap::from([
        ("PreSignUpFunction", asked(|settings| drop(pre_sign_up::Config::read(settings, random)))),
        ("CustomMessageFunction", asked(|settings| drop(custom_message::Config::read(settings, random)))),
        (
            "CustomEmailSenderFunction",
            asked(|settings| drop(custom_email_sender::Config::read(settings, random))),
        ),
        (
            "CustomSmsSenderFunction",
            asked(|settings| drop(custom_sms_sender::Config::read(settings, random))),
        ),
        ("AttachFunction", asked(|settings| drop(attach::Config::read(settings, random)))),
    ])
}

/// A list of names in `tests/fixtures/deployed.json`.
fn names(list: &Value) -> BTreeSet<String> {
    serde_json::from_value(list.clone()).expect("a list of names")
}

#[test]
fn the_template_sets_exactly_the_variables_that_each_function_reads() {
    let more: BTreeSet<_> = MORE_SETTINGS.iter().map(|(variable, _)| (*variable).to_owned()).collect();
    for (function, asked) in settings_of_all_functions() {
        let set = names(&deployed()["variables"][function]);
        // For emulators, and too dangerous for a template.
        let left_out = |name: &&String| more.contains(*name) || *name == ALLOW_CODES_WITHOUT_POOL;
        assert!(!set.contains(ALLOW_CODES_WITHOUT_POOL));
        let missing: Vec<_> = asked.difference(&set).filter(|name| !left_out(name)).collect();
        // The attach function writes its log at one level: an invalid setting must not stop a deployment.
        let expected: &[&str] = if function == "AttachFunction" { &["MORE_SETTINGS"] } else { &[] };
        assert_eq!(missing, expected, "{function} reads what the template does not set");
        let unread: Vec<_> = set.difference(&asked).collect();
        assert_eq!(unread, Vec::<&String>::new(), "the template sets what {function} does not read");
    }
}

#[test]
fn a_function_reads_each_of_more_settings() {
    let asked: BTreeSet<_> = settings_of_all_functions().into_values().flatten().collect();
    for (variable, name) in MORE_SETTINGS {
        assert!(asked.contains(*variable) || variable.starts_with("AWS_"), "{variable}");
        let words = variable.split('_').map(|word| {
            let (first, rest) = word.split_at(1);
            format!("{first}{}", rest.to_ascii_lowercase())
        });
        assert_eq!(words.collect::<String>(), *name);
    }
}

#[test]
fn the_template_offers_exactly_the_languages_that_have_texts() {
    let template = read("template.yaml");
    let languages: Vec<_> = shared::locale::Locale::all().map(shared::locale::Locale::tag).collect();
    let offered = format!("DefaultLocale=(?:{})", languages.join("|"));
    assert!(template.contains(&offered), "{offered}");
}

#[test]
fn the_documentation_names_every_setting() {
    let configuration = read("docs/configuration.md");
    for (function, asked) in settings_of_all_functions() {
        for name in asked {
            assert!(configuration.contains(&format!("`{name}`")), "{name} of {function}");
        }
    }
    let template = read("template.yaml");
    let parameters = names(&deployed()["parameters"]);
    let more = MORE_SETTINGS.iter().map(|(_, name)| (*name).to_owned());
    for name in parameters.into_iter().chain(more) {
        assert!(configuration.contains(&format!("`{name}`")), "{name}");
    }
    // The pattern of MoreSettings lists the names, some of them in parts such as `(?:Ses|SesFallback|Sms)ConfigurationSet`.
    for (_, name) in MORE_SETTINGS {
        let last = name.rfind(|letter: char| letter.is_ascii_uppercase()).map_or(*name, |at| &name[at..]);
        assert!(template.contains(last), "{name}");
    }
}

#[test]
fn the_documentation_explains_every_metric() {
    let operating = read("docs/operating.md");
    for metric in shared::metric::Metric::ALL {
        let row = format!("| `{}` |", metric.name());
        assert_eq!(operating.matches(&row).count(), 1, "{}", metric.name());
    }
}

/// The dependencies of each package of this workspace, outside its tests: packages of this workspace, then AWS SDKs.
fn dependencies() -> BTreeMap<String, (BTreeSet<String>, BTreeSet<String>)> {
    let metadata: Value =
        serde_json::from_str(&cargo(&["metadata", "--format-version", "1", "--no-deps", "--offline"]))
            .expect("JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    let names: BTreeSet<_> = packages.iter().filter_map(|package| package["name"].as_str()).collect();
    packages
        .iter()
        .map(|package| {
            let dependencies: Vec<_> = package["dependencies"]
                .as_array()
                .into_iter()
                .flatten()
                .filter(|dependency| dependency["kind"].is_null())
                .filter_map(|dependency| dependency["name"].as_str())
                .collect();
            let own = dependencies.iter().filter(|name| names.contains(*name)).map(|&name| name.to_owned());
            let sdks =
                dependencies.iter().filter_map(|name| name.strip_prefix("aws-sdk-")).map(str::to_owned);
            (package["name"].as_str().expect("a name").to_owned(), (own.collect(), sdks.collect()))
        })
        .collect()
}

#[test]
fn dependencies_point_in_one_direction_and_each_package_calls_only_its_services() {
    let of_cli = [
        "cloudformation",
        "cloudwatch",
        "cloudwatchlogs",
        "cognitoidentityprovider",
        "iam",
        "kms",
        "lambda",
        "pinpointsmsvoicev2",
        "secretsmanager",
        "sesv2",
        "sns",
        "sqs",
        "sts",
    ];
    let expected: [(_, &[&str], &[&str]); 12] = [
        ("shared", &[], &[]),
        ("runtime", &["shared"], &[]),
        ("client", &["shared"], &[]),
        ("sender", &["client", "runtime", "shared"], &["dynamodb", "kms"]),
        ("pre-sign-up", &["runtime", "shared"], &[]),
        ("custom-message", &["runtime", "shared"], &[]),
        ("custom-email-sender", &["client", "runtime", "sender", "shared"], &["sesv2"]),
        ("custom-sms-sender", &["client", "runtime", "sender", "shared"], &["pinpointsmsvoicev2", "sns"]),
        ("envelope-writer", &[], &[]),
        ("attach", &["client", "pool", "runtime", "shared"], &[]),
        ("pool", &["shared"], &["cognitoidentityprovider", "lambda"]),
        ("cli", &["envelope-writer", "pool", "shared"], &of_cli),
    ];
    let mut dependencies = dependencies();
    // The tests may use everything.
    dependencies.remove("tests");
    let expected = expected.map(|(package, own, sdks)| {
        let set = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        (package.to_owned(), (set(own), set(sdks)))
    });
    assert_eq!(dependencies, BTreeMap::from(expected));
}

#[test]
fn the_lock_file_is_checked_before_sam_builds_what_is_deployed() {
    // SAM runs `cargo lambda build` without `--locked`.
    for (file, comment) in [("Makefile", "#"), ("samconfig.toml", "|")] {
        let text = read(file);
        let lines: Vec<_> = text.lines().filter(|line| !line.starts_with(comment)).collect();
        let builds = lines.iter().enumerate().filter(|(_, line)| {
            let line = line.trim_start_matches(['#', ' ', '\t']);
            line.starts_with("sam build") || line.contains("-- sam build") || line.contains("&& sam build")
        });
        let mut found = 0;
        for (index, line) in builds {
            let checked = |line: &&str| line.contains("cargo fetch --locked");
            assert!(checked(line) || checked(&lines[index - 1]), "{file}: {line}");
            found += 1;
        }
        assert!(found > 0, "{file} builds");
    }
    let workflow = read(".github/workflows/advisories.yml");
    assert!(workflow.contains("schedule:") && workflow.contains("run: make advisories"));
}

#[test]
fn synchronous_functions_link_no_aws_sdk_and_no_package_links_a_second_cryptography() {
    let tree = |package: &str| {
        cargo(&["tree", "--offline", "--edges", "normal", "--prefix", "none", "--package", package])
    };
    for package in ["pre-sign-up", "custom-message"] {
        let tree = tree(package);
        for name in ["aws-sdk", "aws-config", "aws-smithy", "aws-lc", "rustls", "ring "] {
            assert!(!tree.contains(name), "{package} links {name}");
        }
    }
    for package in ["custom-email-sender", "custom-sms-sender", "attach"] {
        let tree = tree(package);
        for name in
            ["aws-config ", "ring ", "openssl v", "openssl-sys", "native-tls", "rustls v0.21", "hyper v0.14"]
        {
            assert!(!tree.contains(name), "{package} links {name}");
        }
        let libraries: BTreeSet<_> = tree.lines().filter(|line| line.starts_with("aws-lc-sys ")).collect();
        assert_eq!(libraries.len(), 1, "{package} links one AWS-LC");
    }
    let tree = tree("cli");
    for name in ["ring ", "openssl v", "openssl-sys", "native-tls", "rustls v0.21", "hyper v0.14"] {
        assert!(!tree.contains(name), "cli links {name}");
    }
}

#[test]
fn every_trigger_source_has_an_event_file() {
    let messages = [
        "sign-up",
        "resend-code",
        "forgot-password",
        "update-user-attribute",
        "verify-user-attribute",
        "authentication",
        "admin-create-user",
    ];
    for function in ["custom-message", "custom-email-sender", "custom-sms-sender"] {
        for case in messages {
            let _ = tests::event::fixture(&format!("{function}-{case}"));
        }
    }
    for case in ["sign-up", "admin-create-user", "external-provider"] {
        let _ = tests::event::fixture(&format!("pre-sign-up-{case}"));
    }
    for function in ["custom-email-sender", "custom-sms-sender"] {
        let _ = tests::event::fixture(&format!("{function}-account-take-over-notification"));
    }
}

/// Gathering CPU jitter takes 20 ms of CPU at every cold start: docs/adr/0004-entropy.md.
#[test]
fn aws_lc_is_built_without_jitter_entropy() {
    let builds = std::fs::read_dir(root().join("target/x86_64-unknown-linux-gnu/release/build"));
    let archives: Vec<_> = builds
        .expect("run `make build` first")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("aws-lc-sys-")))
        .filter_map(|path| std::fs::read_dir(path.join("out")).ok())
        .flatten()
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "a"))
        .collect();
    assert!(!archives.is_empty(), "run `make build` first");
    let contains = |bytes: &[u8], text: &[u8]| bytes.windows(text.len()).any(|window| window == text);
    for archive in archives {
        let bytes = std::fs::read(&archive).expect("an archive");
        assert!(contains(&bytes, b"RAND_bytes"), "{} has the names of its functions", archive.display());
        assert!(!contains(&bytes, b"jent_"), "{} gathers jitter", archive.display());
    }
}
