//! The tour in docs/operating.md: its commands run one after the other in one account, and print what the page
//! shows.
//!
//! Between two commands the account may change: `<!-- meanwhile: … -->` names a change of [`meanwhile`].
//! `<!-- ends with 1 -->` is the exit code of the commands of the next block; without it that is 0.

use std::fmt::Write as _;
use std::path::Path;

use tests::cli;
use tests::mock_aws::{MockAws, PRE_SIGN_UP};

use crate::cli_smoke::Deployment;
use crate::dns::{Dns, Record};

const BEGIN: &str = "<!-- the tour: run by tests/it/tour.rs -->\n";
const END: &str = "<!-- end of the tour -->\n";

/// The only argument that the page doesn't show: `doctor` uses the DNS server of the test instead of the system's.
const PROLOGUE: &str = "set -o pipefail
cognito-triggers() {
    if [ \"$1\" = doctor ]; then set -- \"$@\" --resolver \"$RESOLVER\"; fi
    command cognito-triggers \"$@\"
}
";

/// What happens to the account between two commands of the tour.
fn meanwhile(world: &MockAws, what: &str) {
    match what {
        "an existing pool" => world.attached_by_hand(),
        "neither contact is verified" => {
            world.set_attribute("email_verified", Some("false"));
            world.set_attribute("phone_number_verified", Some("false"));
        }
        other => panic!("nothing is known of: {other}"),
    }
}

/// Plays the tour of a page and returns the page with the printed output.
async fn play(tour: &str, world: &MockAws, folder: &Path) -> String {
    let dns = Dns::start();
    dns.add("example.com", Record::Mail("mx.example.com".to_owned()));
    dns.add("_dmarc.shop.example", Record::Text("v=DMARC1; p=none".to_owned()));
    let mut env = world.env();
    env.push(("RESOLVER", dns.address()));
    let mut played = String::new();
    let mut code = 0;
    let mut lines = tour.lines().peekable();
    while let Some(line) = lines.next() {
        writeln!(played, "{line}").expect("a text");
        let comment = |name: &str| line.strip_prefix(name)?.strip_suffix(" -->");
        if let Some(what) = comment("<!-- meanwhile: ") {
            meanwhile(world, what);
        } else if let Some(number) = comment("<!-- ends with ") {
            code = number.parse().expect("an exit code");
        } else if line == "```console" {
            while let Some(line) = lines.next_if(|line| *line != "```") {
                // The whole page is compared at the end.
                let Some(command) = line.strip_prefix("$ ") else { continue };
                let output = cli::shell(&format!("{PROLOGUE}{command}"), &env, folder).await;
                assert_eq!(output.code, Some(code), "{command}: {output:?}");
                writeln!(played, "{line}").expect("a text");
                played.push_str(&output.stdout);
            }
            code = 0;
        }
    }
    played
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tour_prints_what_the_page_shows() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/operating.md");
    let page = std::fs::read_to_string(&path).expect("the page");
    let (before, rest) = page.split_once(BEGIN).expect("the beginning of the tour");
    let (tour, after) = rest.split_once(END).expect("the end of the tour");
    let folder = tempfile::tempdir().expect("a folder");
    // As in a stack for an existing pool.
    let deployment = Deployment::start(&[(PRE_SIGN_UP, "EMAIL_IS_USERNAME", "false")]);
    let played = play(tour, &deployment.world, folder.path()).await;
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, format!("{before}{BEGIN}{played}{END}{after}")).expect("the page is written");
    } else {
        assert!(played == tour, "UPDATE_DOCS=1 writes the tour anew; it is now\n{played}");
    }
}
