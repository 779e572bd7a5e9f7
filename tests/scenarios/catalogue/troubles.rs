//! What goes wrong, drawn from a seed's numbers.

use simulator::{Fault, Rule};

use crate::harness::{Dice, Trouble, status};

const WRITES: [&str; 2] = ["octavia", "neutron"];
const SERVICES: [&str; 6] = ["", "keystone", "nova", "neutron", "octavia", "kubernetes"];

fn foreign(code: u16) -> Fault {
    Fault::Status { status: code, message: None, retry_after: None, foreign: true }
}

fn busy(code: u16, seconds: u64) -> Fault {
    Fault::Status { status: code, message: None, retry_after: Some(seconds), foreign: false }
}

/// Writes to the cloud fail in all ways, and the process is killed.
pub(super) fn writes_and_kills(dice: &mut Dice<'_>) -> Vec<Trouble> {
    let mut troubles = Vec::new();
    for _ in 0..dice.number(1..=4) {
        let service = dice.any(&WRITES);
        let rule = Rule::new(dice.write_fault()).service(service).method("write");
        let of = if service == "octavia" { 8 } else { 2 };
        troubles.push(dice.once(rule, of));
    }
    if dice.one_in(3) {
        let rule = Rule::new(dice.write_fault()).service("octavia").method("GET");
        troubles.push(dice.spell(rule));
    }
    for _ in 0..dice.number(0..=2) {
        troubles.push(dice.kill(2, 90));
    }
    troubles
}

/// Nova and Neutron fail while nodes register.
pub(super) fn nodes(dice: &mut Dice<'_>) -> Vec<Trouble> {
    let mut troubles = Vec::new();
    for _ in 0..dice.number(2..=4) {
        let service = dice.any(&["nova", "neutron", "keystone"]);
        let by_ms = dice.number(500..=20_000);
        let fault = dice.any(&[
            status(404),
            status(500),
            foreign(404),
            foreign(503),
            Fault::Refused,
            Fault::Hang,
            Fault::LostAfter,
            Fault::Truncated,
            Fault::Slow { by_ms },
            Fault::Shuffled,
            Fault::TokenDeath,
            Fault::Stale { by_ms },
        ]);
        troubles.push(dice.spell(Rule::new(fault).service(service)));
    }
    let fault = dice.any(&[status(409), status(500), Fault::LostAfter, Fault::LostBefore]);
    troubles.push(dice.once(Rule::new(fault).service("kubernetes").method("PATCH"), 6));
    if dice.one_in(2) {
        troubles.push(dice.kill(2, 60));
    }
    troubles
}

/// Octavia is busy, overloaded, or swears that nothing exists.
pub(super) fn storms(dice: &mut Dice<'_>) -> Vec<Trouble> {
    let mut troubles = Vec::new();
    for _ in 0..dice.number(1..=3) {
        let seconds = dice.number(1..=5);
        let (service, fault) = dice.any(&[
            ("octavia", status(409)),
            ("octavia", busy(429, seconds)),
            ("octavia", busy(503, seconds)),
            // Of reads alone: a deletion that is answered so is over.
            ("octavia", status(404)),
            ("octavia", foreign(404)),
            ("octavia", foreign(502)),
            ("neutron", status(404)),
            ("neutron", foreign(503)),
            ("nova", status(404)),
            ("nova", foreign(404)),
        ]);
        let rule = Rule::new(fault.clone()).service(service);
        let rule = if fault == status(409) {
            rule.method("write")
        } else if fault == status(404) {
            rule.method("GET")
        } else {
            rule
        };
        troubles.push(dice.spell(rule));
    }
    troubles
}

/// What is begun ends in ERROR, or breaks later by itself.
pub(super) fn errors(dice: &mut Dice<'_>) -> Vec<Trouble> {
    let mut troubles = Vec::new();
    for _ in 0..dice.number(1..=2) {
        let rule = Rule::new(Fault::Fail).service("octavia").method("POST").path("/v2.0/lbaas/loadbalancers");
        troubles.push(dice.once(rule, 4));
    }
    if dice.one_in(2) {
        troubles.push(dice.kill(1, 80));
    }
    troubles
}

/// Replicas are cut off from either world.
pub(super) fn partitions(dice: &mut Dice<'_>) -> Vec<Trouble> {
    let mut troubles = Vec::new();
    for _ in 0..dice.number(1..=4) {
        let services = if dice.one_in(2) { &SERVICES[5..] } else { &SERVICES[..] };
        troubles.push(dice.partition(3, services));
    }
    if dice.one_in(2) {
        troubles.push(dice.stop(3));
    }
    if dice.one_in(2) {
        let by_ms = if dice.one_in(2) { 3_600_000 } else { -3_600_000 };
        let rule = Rule::new(Fault::ClockJump { by_ms }).service("kubernetes");
        troubles.push(dice.once(rule, 200));
    }
    if dice.one_in(3) {
        let rule = Rule::new(dice.write_fault()).service("kubernetes").method("PUT");
        troubles.push(dice.spell(rule));
    }
    if dice.one_in(2) {
        let rule = Rule::new(dice.write_fault()).service("octavia").method("write");
        troubles.push(dice.once(rule, 8));
    }
    troubles
}

/// Keystone is away, and tokens die.
pub(super) fn keystone(dice: &mut Dice<'_>) -> Vec<Trouble> {
    let mut troubles = Vec::new();
    for _ in 0..dice.number(1..=2) {
        let fault = dice.any(&[
            Fault::Refused,
            Fault::Hang,
            foreign(503),
            status(500),
            Fault::LostBefore,
            Fault::LostAfter,
        ]);
        troubles.push(dice.spell(Rule::new(fault).service("keystone")));
    }
    let service = dice.any(&["octavia", "neutron", "nova"]);
    troubles.push(dice.once(Rule::new(Fault::TokenDeath).service(service), 8));
    troubles
}

/// Lists come in odd orders, in short pages, from the past.
pub(super) fn lists(dice: &mut Dice<'_>) -> Vec<Trouble> {
    let service = dice.any(&["octavia", "neutron", "nova"]);
    let mut troubles = vec![
        Trouble::Fault(Rule::new(Fault::Shuffled).method("GET").service(service).probability(0.5)),
        Trouble::Fault(
            Rule::new(Fault::ShortPage { rows: 1 }).method("GET").service("nova").probability(0.5),
        ),
    ];
    let rows = usize::try_from(dice.number(1..=3)).unwrap_or(1);
    for service in ["neutron", "octavia"] {
        let rule = Rule::new(Fault::ShortPage { rows }).method("GET").service(service);
        troubles.push(dice.spell(rule));
    }
    let by_ms = dice.number(100..=3_000);
    let service = dice.any(&["octavia", "neutron", "nova"]);
    troubles.push(dice.spell(Rule::new(Fault::Stale { by_ms }).method("GET").service(service)));
    troubles
}

/// The API server forgets, refuses, loses answers, and cannot be reached.
pub(super) fn api_server(dice: &mut Dice<'_>) -> Vec<Trouble> {
    let mut troubles = vec![Trouble::Forget { at_ms: dice.time() }];
    for _ in 0..dice.number(1..=3) {
        let fault = dice.any(&[
            status(500),
            status(409),
            busy(429, 1),
            status(503),
            foreign(502),
            Fault::LostAfter,
            Fault::LostBefore,
            Fault::Hang,
            Fault::HangAfter,
            Fault::Truncated,
            Fault::Late { by_ms: 8_000 },
        ]);
        let rule = Rule::new(fault).service("kubernetes");
        let method = dice.any(&["PATCH", "GET", "POST", "PUT"]);
        troubles.push(dice.spell(rule.method(method)));
    }
    if dice.one_in(2) {
        troubles.push(dice.partition(2, &["kubernetes"]));
    }
    if dice.one_in(3) {
        troubles.push(dice.kill(2, 120));
    }
    troubles
}

/// One replica after the other is stopped and started; some are killed.
pub(super) fn rolling(dice: &mut Dice<'_>) -> Vec<Trouble> {
    let mut at_ms = dice.number(1_000..=20_000);
    let mut troubles = Vec::new();
    for replica in 0..3 {
        troubles.push(Trouble::Stop { replica, at_ms, back_after_ms: dice.number(100..=5_000) });
        at_ms += dice.number(500..=30_000);
    }
    if dice.one_in(2) {
        troubles.push(dice.kill(3, 150));
    }
    if dice.one_in(2) {
        let rule = Rule::new(dice.write_fault()).service("octavia").method("write");
        troubles.push(dice.once(rule, 10));
    }
    troubles
}
