//! The simulated OpenStack and the real one: the script's statuses hold on the simulator always, and with the laboratory
//! (feature `lab`) every answer is compared with the real services'.

use cloud_tests::contract::{Simulated, Transcript, parts, run};

fn simulated(part: &cloud_tests::contract::Part) -> Transcript {
    run(part, &mut Simulated::new())
}

#[test]
fn the_simulator_keeps_to_the_script() {
    let broken: Vec<String> = parts().iter().flat_map(|part| simulated(part).broken).collect();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

/// The parts run at the same time: they need nothing of each other, and most of the time is spent waiting.
#[cfg(feature = "lab")]
#[test]
fn the_simulator_answers_as_the_real_services_do() {
    use cloud_tests::contract::{Real, differences};

    let only = std::env::var("CONTRACT_PART").ok();
    let parts: Vec<_> =
        parts().into_iter().filter(|part| only.as_deref().is_none_or(|only| part.name == only)).collect();
    assert!(!parts.is_empty(), "CONTRACT_PART names no part");
    let found: Vec<String> = std::thread::scope(|scope| {
        let compare = |part| {
            scope.spawn(move || {
                let ours = simulated(part);
                let begun = std::time::SystemTime::now();
                let real = run(part, &mut Real::find());
                let took = begun.elapsed().map_or(0, |took| took.as_secs());
                eprintln!("{}: {} requests, {took} s on the laboratory", part.name, real.exchanges.len());
                let different = differences(&ours, &real);
                [ours.broken, real.broken, different].concat()
            })
        };
        let running: Vec<_> = parts.iter().map(compare).collect();
        running.into_iter().flat_map(|part| part.join().expect("a part ran through")).collect()
    });
    assert!(found.is_empty(), "{} differences:\n{}", found.len(), found.join("\n"));
}

/// What the controllers of the end-to-end tests have asked since the laboratory was started; they have agents `e2e-…`.
#[cfg(feature = "lab")]
#[test]
fn what_the_end_to_end_tests_have_asked_is_in_the_script() {
    let counted = cloud_tests::contract::counted("e2e-");
    let calls = counted["calls"].as_array().map_or(0, Vec::len);
    assert!(calls > 0, "the end-to-end tests come first: the laboratory has counted nothing of theirs");
    let uncovered = cloud_tests::contract::coverage::uncovered_calls(&counted);
    assert!(uncovered.is_empty(), "not in the script: {uncovered:#?}");
}
