//! Whole files, and the declarations themselves.

use std::collections::BTreeSet;

use secrecy::ExposeSecret as _;

use super::*;
use crate::gcfg::Note;

fn read(text: &str, program: Program) -> (Sections, Report) {
    let mut report = Report::default();
    let file = File::parse("cloud.conf", text, &mut report);
    let sections = Sections::read(file, program, &mut report);
    (sections, report.sorted())
}

fn texts(notes: &[Note]) -> Vec<String> {
    notes.iter().map(ToString::to_string).collect()
}

fn warnings(text: &str) -> Vec<String> {
    let (_, report) = read(text, Program::CloudController);
    assert!(report.errors.is_empty(), "{report:?}");
    texts(&report.warnings)
}

fn errors(text: &str, program: Program) -> Vec<String> {
    texts(&read(text, program).1.errors)
}

#[test]
fn a_key_is_declared_once_and_says_what_it_is() {
    let mut all = 0;
    for table in TABLES {
        let keys = (table.keys)();
        let names: BTreeSet<&str> = keys.iter().map(|key| key.name).collect();
        assert_eq!(names.len(), keys.len(), "[{}]", table.section);
        assert!(table.doc.len() > 20 && !table.readers.is_empty(), "[{}]", table.section);
        for key in keys {
            assert!(!key.doc.is_empty() && !key.kind.is_empty(), "{key:?}");
            assert!(
                key.name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'),
                "{key:?}"
            );
        }
        all += names.len();
    }
    // Those of the Go programs' documentation, and ours.
    assert_eq!(all, 76);
}

#[test]
fn every_declared_key_is_taken_with_its_default() {
    for table in TABLES {
        for key in (table.keys)() {
            let value = match key.kind {
                "boolean" => "true",
                "duration" => "1s",
                "word" | "words" if !key.default.is_empty() => &key.default,
                _ => "1",
            };
            let name = if table.naming == Naming::Named { " \"x\"" } else { "" };
            let text = format!("[{}{name}]\n{} = {value}\n", table.section, key.name.to_uppercase());
            for program in [Program::CloudController, Program::CinderPlugin] {
                let (_, report) = read(&text, program);
                assert!(report.errors.is_empty(), "{text}{report:?}");
                let unknown = texts(&report.warnings).into_iter().find(|text| text.contains("unknown"));
                assert_eq!(unknown, None, "{text}");
            }
        }
    }
}

#[test]
fn empty_values_are_missing_and_defaults_are_go_s() {
    let text = "[Global]\nauth-url = https://keystone/v3\nusername =\npassword=\"p;#\"\ntoken=\n";
    let (mut sections, report) = read(text, Program::CloudController);
    assert_eq!(report, Report::default());
    let global = sections.take_global();
    assert_eq!(global.auth_url.as_deref(), Some("https://keystone/v3"));
    assert_eq!(global.password.as_ref().unwrap().expose_secret(), "p;#");
    assert!(global.username.is_none() && global.token.is_none() && !global.use_clouds);
    assert_eq!(global.endpoint_type, EndpointType::Public);
    assert_eq!(global.places.of("username").line, 3);
    assert_eq!(global.places.of("user-id").to_string(), "cloud.conf:1:1", "the header stands in");
    assert_eq!(sections.metadata.request_timeout.as_secs(), 60);
}

#[test]
fn only_the_word_true_turns_verification_off() {
    for (value, on, odd) in [
        ("true", true, false),
        ("yes", false, true),
        ("True", false, true),
        ("false", false, false),
        ("", false, false),
    ] {
        let (mut sections, report) =
            read(&format!("[Global]\ntls-insecure={value}"), Program::CloudController);
        assert_eq!(sections.take_global().tls_insecure.is_on(), on, "{value:?}");
        assert_eq!(report.warnings.len(), usize::from(odd), "{value:?}");
    }
}

#[test]
fn what_ends_a_program_is_what_ends_the_go_program_of_its_name() {
    use Program::{CinderPlugin, CloudController};
    for (text, cloud_controller, cinder) in [
        ("[Global]\nuse-clouds = maybe\n", true, true),
        ("[Global]\nos-endpoint-type = publicURL\n", true, true),
        ("[Global]\nos-endpoint-type =\n", true, true),
        ("[Global \"two\"]\nuse-clouds = maybe\n", false, true),
        ("[BlockStorage]\nrescan-on-resize = maybe\n", false, true),
        ("[BlockStorage]\nnode-volume-attach-limit =\n", false, true),
        ("[LoadBalancer]\nmonitor-delay = 5\n", true, false),
        ("[LoadBalancer]\nmax-shared-lb = many\n", true, false),
        ("[LoadBalancer]\nmonitor-max-retries = -1\n", true, false),
        ("[LoadBalancer]\nmonitor-delay = -5s\n", false, false),
        ("[LoadBalancer]\nmax-shared-lb = -5\n", false, false),
        ("[LoadBalancer]\nsubnet-id\n", true, false),
        ("[LoadBalancerClass \"x\"]\nsubnet-id\n", true, false),
        ("[Networking]\nipv6-support-disabled =\n", true, false),
        ("[Metadata]\nsearch-order = floppy\n", true, true),
        ("[Metadata]\nrequest-timeout = 5\n", true, true),
        ("[Compatibility]\nprofile = newest\n", false, false),
        ("[Global]\nk_y = 1\n", true, true),
        ("[BlockStorage]\nx = \"1\n", true, true),
    ] {
        for (program, fatal) in [(CloudController, cloud_controller), (CinderPlugin, cinder)] {
            let (_, report) = read(text, program);
            assert_eq!(!report.errors.is_empty(), fatal, "{program}: {text}{report:?}");
            assert!(!report.errors.is_empty() || !report.warnings.is_empty(), "told in any case: {text}");
        }
    }
}

#[test]
fn remarks_have_a_place_and_say_what_to_write() {
    assert_eq!(
        warnings(
            "[LoadBalancer]\nuse-octavia = true\nlb-provider = acme\nmonitor-max-retries = 11\nsubnetid = x\nrouter-id = r\n[Gloabl]\n"
        ),
        [
            "cloud.conf:2:1: use-octavia has no effect any more and can go",
            "cloud.conf:3:1: lb-provider: none of those that are known to work: amphora, octavia, ovn, f5, amphorav2",
            "cloud.conf:4:1: monitor-max-retries: 11, but Octavia takes 1 to 10",
            "cloud.conf:5:1: unknown key `subnetid` in [LoadBalancer], did you mean `subnet-id`?",
            "cloud.conf:6:1: router-id has no effect in [LoadBalancer], it belongs into [Route]",
            "cloud.conf:7:1: unknown section [Gloabl], did you mean [Global]?",
        ]
    );
    assert_eq!(
        warnings("[Networking]\naddress-sort-order = 10.0.0.0/8 oops\n[Global]\ntls-insecure = yes\n"),
        [
            "cloud.conf:2:1: address-sort-order: item 2 is not a CIDR such as 10.0.0.0/8 and is left out",
            "cloud.conf:4:1: tls-insecure: certificates are checked; only the word `true` turns that off",
        ]
    );
}

#[test]
fn what_is_not_in_this_version_is_told_unless_it_is_the_default() {
    assert_eq!(
        warnings(
            "[LoadBalancer]\nmanage-security-groups = on\nmax-shared-lb = 2\ncontainer-store = external\n"
        ),
        [
            "cloud.conf:2:1: manage-security-groups: not in this version: Services fail with an event",
            "cloud.conf:4:1: container-store: not in this version: no effect without default-tls-container-ref",
        ]
    );
}

#[test]
fn a_file_shared_with_the_volume_driver_is_fine() {
    let text = "[Global]\nauth-url = a\n[Global \"second\"]\nauth-url = b\n[BlockStorage]\nbs-version = v3\nrescan-on-resize = true\n";
    assert_eq!(
        warnings(text),
        [
            "cloud.conf:3:1: [Global \"second\"] is not looked at by openstack-cloud-controller-manager",
            "cloud.conf:6:1: bs-version has no effect any more and can go"
        ]
    );
    let (sections, report) = read(text, Program::CinderPlugin);
    assert_eq!(report.errors, []);
    let urls: Vec<_> =
        sections.global.iter().map(|(name, global)| (name.as_str(), global.auth_url.as_deref())).collect();
    assert_eq!(urls, [("", Some("a")), ("second", Some("b"))]);
    assert!(sections.block_storage.rescan_on_resize);
}

#[test]
fn endpoint_types_are_exact() {
    for value in ["internalURL", "", "Public"] {
        assert_eq!(
            errors(&format!("[Global]\nos-endpoint-type={value}"), Program::CinderPlugin),
            ["cloud.conf:2:1: os-endpoint-type: expected public, internal or admin"]
        );
    }
}

#[test]
fn secrets_show_nowhere() {
    let secrets: Vec<Key> = (Global::TABLE.keys)().into_iter().filter(|key| key.kind == "secret").collect();
    assert_eq!(secrets.len(), 4);
    for key in secrets {
        for line in ["= hush", "= hush#1", "= \"hush", "= hush\\x", "= hush\nhush", "= \"hush\" hush"] {
            let (sections, report) =
                read(&format!("[Global]\n{} {line}\n", key.name), Program::CloudController);
            assert!(!format!("{sections:?} {report:?}").contains("hush"), "{} {line}: {report:?}", key.name);
        }
    }
}

#[test]
fn the_page_has_a_row_for_each_key() {
    let page = page();
    for table in TABLES {
        for key in (table.keys)() {
            assert!(page.contains(&format!("| `{}` | ", key.name)), "{}", key.name);
        }
    }
}
