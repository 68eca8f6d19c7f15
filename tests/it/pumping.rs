//! What the SMS limits block: a day of ordinary traffic, alone and under attack.
//!
//! Nothing is sent and no clock is read: numbers and times come from a generator with a fixed seed, the store is a
//! map. The result is a table in docs/sms-pumping.md; `UPDATE_DOCS=1` writes it again.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::path::Path;

use shared::phone::{Country, CountryAllowlist, PhoneNumber, SmsPermission};
use shared::recipient::RecipientHasher;
use shared::settings::{InLayer, Settings};
use shared::sms_limits::{SmsClass, SmsLimit, SmsLimits};

use crate::docs;

const COUNTRIES: &str = "US, DE, GB";

/// Assumed prices of one part in thousandths of a US dollar. Real ones differ by operator and month.
const PRICES: [(&str, u64); 3] = [("US", 10), ("DE", 100), ("GB", 50)];

/// 2026-11-23 00:00 UTC, a Monday.
const MIDNIGHT: u64 = 1_795_392_000;
const MINUTE: u64 = 60;
const HOUR: u64 = 3_600;

/// `SplitMix64`: small, and the same on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// A block of 10,000 mobile numbers: the number without its last four digits.
    fn block(&mut self, country: &str) -> String {
        match country {
            "US" => {
                let area = [206, 212, 303, 312, 415, 512, 617, 702, 805, 914][index(self.below(10))];
                format!("+1{area}{}", 200 + self.below(700))
            }
            "DE" => format!("+49{}{:04}", [151, 152, 157, 159][index(self.below(4))], self.below(10_000)),
            _ => format!("+44740{:03}", self.below(1_000)),
        }
    }

    fn number(&mut self, country: &str) -> String {
        let block = self.block(country);
        format!("{block}{:04}", self.below(10_000))
    }
}

fn index(number: u64) -> usize {
    usize::try_from(number).expect("an index")
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Sender {
    /// A person who signs up.
    SignUp,
    /// A user with an account who signs in.
    User,
    /// A user with an account, one of a company whose telephones have one block of numbers.
    Employee,
    /// An attacker, who signs up.
    Attacker,
}

impl Sender {
    fn class(self) -> SmsClass {
        match self {
            Self::SignUp | Self::Attacker => SmsClass::Open,
            Self::User | Self::Employee => SmsClass::Account,
        }
    }
}

struct Request {
    at: u64,
    number: String,
    sender: Sender,
}

/// A day in which people sign up and sign in, and some ask for their code again.
fn ordinary_day(sign_ups: u64, sign_ins: u64, employees: u64) -> Vec<Request> {
    let random = &mut Random(1);
    let mut requests = Vec::new();
    // Few at night, most at noon and in the evening, by UTC.
    let hours = [1, 1, 1, 1, 2, 3, 5, 8, 10, 10, 9, 9, 10, 9, 8, 8, 9, 10, 11, 12, 11, 8, 5, 3];
    let total: u64 = hours.iter().sum();
    let mut ask = |random: &mut Random, first: u64, number: &str, sender: Sender| {
        // Of ten people eight need one code, one or two need two, and every twentieth needs three.
        let times = match random.below(100) {
            0..80 => 1,
            80..95 => 2,
            _ => 3,
        };
        let mut at = first;
        for _ in 0..times {
            requests.push(Request { at: MIDNIGHT + at, number: number.to_owned(), sender });
            at += MINUTE + random.below(2 * MINUTE);
        }
    };
    for person in 0..sign_ups + sign_ins - employees {
        let sender = if person < sign_ups { Sender::SignUp } else { Sender::User };
        let country = match random.below(10) {
            0..5 => "US",
            5..8 => "DE",
            _ => "GB",
        };
        let mut place = random.below(total);
        let hour =
            hours.iter().position(|weight| place.checked_sub(*weight).map(|rest| place = rest).is_none());
        let at = hour.expect("an hour") as u64 * HOUR + random.below(HOUR);
        let number = random.number(country);
        ask(random, at, &number, sender);
    }
    let block = random.block("DE");
    for employee in 0..employees {
        let at = 7 * HOUR + random.below(2 * HOUR);
        ask(random, at, &format!("{block}{employee:04}"), Sender::Employee);
    }
    requests
}

/// `count` messages, evenly over `length`, to numbers in turn from so many blocks of each country.
struct Attack {
    what: &'static str,
    countries: &'static [&'static str],
    blocks: u64,
    numbers: u64,
    count: u64,
    length: u64,
}

/// Blocks of adjacent numbers, minutes to days, one or many messages to each number: docs/sms-pumping.md has the
/// reports that these come from.
const ATTACKS: [Attack; 7] = [
    Attack {
        what: "fast: 5,000 adjacent numbers in 3 blocks, half an hour",
        countries: &["DE"],
        blocks: 3,
        numbers: 5_000,
        count: 5_000,
        length: HOUR / 2,
    },
    Attack {
        what: "flood: 20,000 messages to 4,000 numbers in 10 blocks, 4 hours",
        countries: &["DE"],
        blocks: 10,
        numbers: 4_000,
        count: 20_000,
        length: 4 * HOUR,
    },
    Attack {
        what: "slow: 5,000 numbers in 8 blocks, all day",
        countries: &["DE"],
        blocks: 8,
        numbers: 5_000,
        count: 5_000,
        length: 24 * HOUR,
    },
    Attack {
        what: "below the limit of a block: 18 an hour in each of 20 blocks, all day",
        countries: &["DE"],
        blocks: 20,
        numbers: 18 * 20 * 24,
        count: 18 * 20 * 24,
        length: 24 * HOUR,
    },
    Attack {
        what: "scattered: 10,000 numbers in 2,000 blocks, 6 hours",
        countries: &["DE"],
        blocks: 2_000,
        numbers: 10_000,
        count: 10_000,
        length: 6 * HOUR,
    },
    Attack {
        what: "few numbers: 50 in 50 blocks, one message every two minutes to each, 6 hours",
        countries: &["DE"],
        blocks: 50,
        numbers: 50,
        count: 50 * 30 * 6,
        length: 6 * HOUR,
    },
    Attack {
        what: "everywhere: 12,000 numbers in 1,000 blocks of each country, 6 hours",
        countries: &["US", "DE", "GB"],
        blocks: 1_000,
        numbers: 12_000,
        count: 12_000,
        length: 6 * HOUR,
    },
];

impl Attack {
    fn requests(&self) -> Vec<Request> {
        let random = &mut Random(2);
        let blocks: Vec<_> = (0..self.blocks)
            .flat_map(|_| self.countries.iter().map(|country| random.block(country)).collect::<Vec<_>>())
            .collect();
        let blocks_total = blocks.len() as u64;
        // In the morning, together with ordinary traffic. An attack that takes all day begins at midnight.
        let start = MIDNIGHT + if self.length == 24 * HOUR { 0 } else { 9 * HOUR };
        (0..self.count)
            .map(|message| {
                let number = message % self.numbers;
                let block = &blocks[index(number % blocks_total)];
                Request {
                    at: start + message * self.length / self.count,
                    number: format!("{block}{:04}", number / blocks_total),
                    sender: Sender::Attacker,
                }
            })
            .collect()
    }
}

/// Attacks that aim at the users of a pool, whose numbers the attacker knows: the attacker signs up with them.
fn aimed(ordinary: &[Request]) -> [(&'static str, Vec<Request>); 2] {
    let users = || ordinary.iter().filter(|request| request.sender.class() == SmsClass::Account);
    let before_each = |times: u64, number_of: &dyn Fn(&str, u64) -> String| {
        let attack = |user: &Request, time| Request {
            at: user.at - 1,
            number: number_of(&user.number, time),
            sender: Sender::Attacker,
        };
        users().flat_map(|user| (0..times).map(move |time| attack(user, time))).collect::<Vec<_>>()
    };
    let itself = |number: &str, _| number.to_owned();
    let neighbor = |number: &str, time: u64| format!("{}{:04}", &number[..number.len() - 4], 7_000 + time);
    [
        ("aimed at persons: before each code of a user, 7 messages to that number", before_each(7, &itself)),
        (
            "aimed at blocks: before each code of a user, 21 messages to numbers next to it",
            before_each(21, &neighbor),
        ),
    ]
}

fn countries() -> CountryAllowlist {
    COUNTRIES.parse().expect("countries")
}

fn limits(variables: &[(SmsLimit, String)]) -> SmsLimits {
    let lookup = |name: &str| {
        variables.iter().find(|(limit, _)| limit.variable() == name).map(|(_, value)| value.clone())
    };
    let settings = Settings::new(&lookup, &InLayer);
    let limits = SmsLimits::read(&settings, Some(&countries()));
    settings.finish(limits).expect("limits")
}

/// The requested and the sent messages of one source, with their cost in thousandths of a US dollar.
#[derive(Default)]
struct Tally {
    asked: u64,
    sent: u64,
    cost_asked: u64,
    cost_sent: u64,
}

impl Tally {
    /// Of an attack, rounded down.
    fn stopped(&self) -> String {
        let tenths = (self.asked - self.sent) * 1_000 / self.asked;
        format!("{}.{} %", tenths / 10, tenths % 10)
    }

    fn lost(&self) -> u64 {
        self.asked - self.sent
    }

    /// Of ordinary traffic, rounded up.
    fn harmed(&self) -> String {
        let tenths = ((self.asked - self.sent) * 1_000).div_ceil(self.asked);
        format!("{}.{} %", tenths / 10, tenths % 10)
    }
}

#[derive(Default)]
struct Day {
    sign_ups: Tally,
    users: Tally,
    employees: Tally,
    attackers: Tally,
}

/// Sends the messages that the counters admit, in the order of time.
fn play(limits: &SmsLimits, requests: &[&[Request]]) -> Day {
    let (countries, hasher) = (countries(), RecipientHasher::new(b"simulation"));
    let mut requests: Vec<_> = requests.iter().copied().flatten().collect();
    requests.sort_by_key(|request| request.at);
    let mut store: HashMap<String, u64> = HashMap::new();
    let mut day = Day::default();
    for request in requests {
        let (number, country) = place(&countries, &request.number);
        let tally = match request.sender {
            Sender::SignUp => &mut day.sign_ups,
            Sender::User => &mut day.users,
            Sender::Employee => &mut day.employees,
            Sender::Attacker => &mut day.attackers,
        };
        let code = country.to_string();
        let (_, price) = PRICES.iter().find(|(name, _)| *name == code).expect("a price");
        tally.asked += 1;
        tally.cost_asked += price;
        let counters = limits.counters(request.sender.class(), &number, country, 1, request.at, &hasher);
        let fits = |store: &HashMap<String, u64>| {
            let counted = |key| store.get(key).copied().unwrap_or_default();
            counters.iter().all(|counter| counter.room.is_some_and(|room| counted(&counter.key) <= room))
        };
        // What a wider limit stops is returned to the narrower ones.
        if fits(&store) {
            for counter in counters {
                *store.entry(counter.key).or_default() += counter.amount;
            }
            tally.sent += 1;
            tally.cost_sent += price;
        }
    }
    day
}

fn place(countries: &CountryAllowlist, number: &str) -> (PhoneNumber, Country) {
    let number: PhoneNumber = number.parse().expect("a number");
    match countries.decide(&number) {
        SmsPermission::Allowed(country) => (number, country),
        SmsPermission::Refused(refusal) => panic!("{refusal}"),
    }
}

/// The advice of docs/sms-pumping.md: twice what an ordinary day has at most. The limit of a number stays.
fn chosen_limits(ordinary: &[Request]) -> Vec<(SmsLimit, String)> {
    let (all, countries, hasher) = (limits(&[]), countries(), RecipientHasher::new(b"simulation"));
    let mut counts: BTreeMap<(SmsLimit, String), u64> = BTreeMap::new();
    for request in ordinary {
        let (number, country) = place(&countries, &request.number);
        for counter in all.counters(request.sender.class(), &number, country, 1, request.at, &hasher) {
            *counts.entry((counter.limit, counter.key)).or_default() += 1;
        }
    }
    [SmsLimit::PrefixHourly, SmsLimit::CountryDaily, SmsLimit::DailyMessages]
        .into_iter()
        .map(|limit| {
            let most = counts.iter().filter(|((name, _), _)| *name == limit).map(|(_, count)| *count).max();
            (limit, (2 * most.expect("traffic")).to_string())
        })
        .collect()
}

/// All attacks on a pool with this traffic.
fn attacks(ordinary: &[Request]) -> impl Iterator<Item = (&'static str, Vec<Request>)> {
    ATTACKS.iter().map(|attack| (attack.what, attack.requests())).chain(aimed(ordinary))
}

fn usd(thousandths: u64) -> u64 {
    thousandths.div_ceil(1_000)
}

fn table(ordinary: &[Request], limits: &SmsLimits) -> String {
    let company = ordinary.iter().any(|request| request.sender == Sender::Employee);
    let mut text = String::from(
        "| Attack | Asked for | Sent | Stopped | USD without the guard | USD with it | Ordinary sign-ups stopped | Codes of users lost |",
    );
    text += if company {
        " Of the company |\n|---|---|---|---|---|---|---|---|---|\n"
    } else {
        "\n|---|---|---|---|---|---|---|---|\n"
    };
    let ordinary_cells = |day: &Day| {
        let company = if company { format!(" {} |", day.employees.harmed()) } else { String::new() };
        format!(" {} | {} |{company}", day.sign_ups.harmed(), day.users.lost())
    };
    let alone = play(limits, &[ordinary]);
    let _ = writeln!(text, "| none | – | – | – | – | – |{}", ordinary_cells(&alone));
    for (what, requests) in attacks(ordinary) {
        let day = play(limits, &[ordinary, &requests]);
        let attackers = &day.attackers;
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} |{}",
            what,
            attackers.asked,
            attackers.sent,
            attackers.stopped(),
            usd(attackers.cost_asked),
            usd(attackers.cost_sent),
            ordinary_cells(&day),
        );
    }
    text
}

fn report() -> String {
    let small = ordinary_day(120, 180, 0);
    let large = ordinary_day(400, 600, 120);
    let chosen = chosen_limits(&large);
    let mut text = String::new();
    let _ = write!(
        text,
        "The default limits, and a pool with 120 sign-ups and 180 sign-ins by SMS a day ({} messages):\n\n{}\n\
         The default limits, and a pool that has outgrown them: 400 sign-ups and 600 sign-ins a day ({} messages), 120 of the sign-ins from one company's block between 07:00 and 09:00 UTC:\n\n{}\n",
        small.len(),
        table(&small, &limits(&[])),
        large.len(),
        table(&large, &limits(&[])),
    );
    let settings: Vec<_> =
        chosen.iter().map(|(limit, value)| format!("`{}={value}`", limit.variable())).collect();
    let _ = write!(
        text,
        "The same pool with limits chosen as below, {}:\n\n{}",
        settings.join(", "),
        table(&large, &limits(&chosen)),
    );
    text
}

#[test]
fn the_page_shows_what_the_sms_limits_block() {
    let report = report();
    insta::assert_snapshot!("what the SMS limits stop", report);
    docs::hold("sms-pumping.md", "pumping.rs", &report);
}

#[test]
fn the_page_names_each_limit_with_its_default() {
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/sms-pumping.md"))
        .expect("the page");
    for limit in SmsLimit::ALL {
        let default = limit.default_limit().map_or("no limit".to_owned(), |parts| parts.to_string());
        let row = page.lines().find(|line| {
            line.starts_with('|')
                && line.contains(limit.variable())
                && line.ends_with(&format!("| {default} |"))
        });
        assert!(row.is_some(), "{} with {default}", limit.variable());
    }
}

#[test]
fn the_default_limits_block_no_message_on_an_ordinary_day() {
    let day = play(&limits(&[]), &[&ordinary_day(120, 180, 0)]);
    assert_eq!((day.sign_ups.lost(), day.users.lost()), (0, 0));
}

#[test]
fn no_attack_costs_a_user_a_code() {
    let ordinary = ordinary_day(120, 180, 0);
    for (what, requests) in attacks(&ordinary) {
        let day = play(&limits(&[]), &[&ordinary, &requests]);
        assert!(day.users.asked > 200 && day.attackers.lost() > 0, "{what}");
        assert_eq!(day.users.lost(), 0, "{what}");
    }
    // Also in a pool that has outgrown the defaults: what it loses, it loses without an attack.
    let ordinary = ordinary_day(400, 600, 120);
    let alone = play(&limits(&[]), &[&ordinary]);
    for (what, requests) in attacks(&ordinary) {
        let day = play(&limits(&[]), &[&ordinary, &requests]);
        assert_eq!(day.users.lost(), alone.users.lost(), "{what}");
        assert_eq!(day.employees.lost(), alone.employees.lost(), "{what}");
    }
}

#[test]
fn limits_chosen_by_the_page_block_no_message_on_an_ordinary_day() {
    let ordinary = ordinary_day(400, 600, 120);
    let day = play(&limits(&chosen_limits(&ordinary)), &[&ordinary]);
    assert_eq!((day.sign_ups.lost(), day.users.lost(), day.employees.lost()), (0, 0, 0));
}

#[test]
fn no_attack_exceeds_the_limits_of_a_country_and_a_day() {
    for attack in &ATTACKS {
        let day = play(&limits(&[]), &[&attack.requests()]);
        let most = if attack.countries.len() == 1 { 500 } else { 1_000 };
        assert!(day.attackers.sent <= most, "{}", attack.what);
        assert!(day.attackers.sent * 10 <= day.attackers.asked, "{}", attack.what);
    }
}

#[test]
fn adjacent_numbers_are_blocked_before_the_country_reaches_its_limit() {
    let [fast, ..] = &ATTACKS;
    let day = play(&limits(&[]), &[&ordinary_day(120, 180, 0), &fast.requests()]);
    assert_eq!(day.attackers.sent, 3 * 20);
    assert_eq!((day.sign_ups.lost(), day.users.lost()), (0, 0));
}
