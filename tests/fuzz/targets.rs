//! What is fuzzed, with the inputs that mutations begin from.

use host::cloud_conf::{Program, Sections};
use host::flags::{FeatureGates, StringSlice, StringToString};
use host::gcfg::{File, Report};
use login::{Documents, Login, Surroundings};
use openstack::fuzz;

/// One reader of foreign bytes.
pub(crate) struct Target {
    pub(crate) name: &'static str,
    /// Inputs of every form that it knows.
    pub(crate) corpus: &'static [&'static str],
    /// Panics if something is wrong.
    pub(crate) run: fn(&[u8]),
}

pub(crate) const TARGETS: &[Target] = &[
    Target { name: "error bodies", corpus: ERRORS, run: fuzz::error_body },
    Target { name: "tokens", corpus: TOKENS, run: fuzz::token },
    Target { name: "catalogues", corpus: CATALOGUES, run: fuzz::catalogue },
    Target { name: "versions", corpus: VERSIONS, run: fuzz::version_document },
    Target { name: "URLs of calls", corpus: IDS, run: fuzz::call_url },
    Target { name: "headers", corpus: HEADERS, run: fuzz::headers },
    Target { name: "clouds.yaml", corpus: CLOUDS, run: clouds },
    Target { name: "cloud.conf", corpus: CONF, run: cloud_conf },
    Target { name: "durations", corpus: DURATIONS, run: durations },
    Target { name: "lists in flags", corpus: LISTS, run: lists },
];

/// A secret that stands in inputs and must never be in a message.
const SECRET: &str = "hunter2";

/// `clouds.yaml`: read or refused, and a refusal quotes nothing.
fn clouds(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let mut documents = Documents::default();
    // The same text as one or as two of the files.
    let reads = [Documents::clouds, Documents::secure, Documents::public];
    for read in &reads[..=text.len() % 3] {
        if let Err(error) = read(&mut documents, text) {
            let shown = format!("{error} {error:?}");
            assert!(!shown.contains(SECRET), "{shown}");
            return;
        }
    }
    assert!(documents.try_all() <= 4096);
}

/// `cloud.conf` for one of the programs: read or refused, and neither shows a secret.
fn cloud_conf(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let programs = [Program::CloudController, Program::CinderPlugin];
    let program = programs[text.len() % programs.len()];
    let mut report = Report::default();
    let file = File::parse("cloud.conf", text, &mut report);
    let mut global = Sections::read(file, program, &mut report).take_global();
    // Mutations make names of files: none is to be read.
    (global.use_clouds, global.cloud) = (false, None);
    let login = Login::read(global, &Surroundings::default(), &mut report);
    let login = login.map(|login| login.auth.credentials);
    let shown = match report.into_result() {
        Ok(notes) => format!("{login:?} {}", notes.iter().map(ToString::to_string).collect::<String>()),
        Err(faults) => format!("{faults} {faults:?}"),
    };
    // Mutations make names and values of other keys of it, which are shown.
    let is_secret = |line: &str| {
        let line = line.to_lowercase();
        ["password", "token", "trustee-password", "application-credential-secret"]
            .iter()
            .any(|key| line.strip_prefix(key).is_some_and(|rest| rest.trim_start().starts_with('=')))
    };
    let spilt = text.lines().any(|line| line.contains(SECRET) && !is_secret(line));
    assert!(spilt || !shown.contains(SECRET), "{shown}");
}

/// Durations in Go's notation: what is read is told in a form that reads the same.
fn durations(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    if let Ok(read) = host::duration::parse(text) {
        assert_eq!(host::duration::parse(&format!("{}ns", read.as_nanos())), Ok(read), "{text:?}");
        assert_eq!(
            host::duration::parse(&format!("+{text}")).is_ok(),
            !text.starts_with(['+', '-']),
            "{text:?}"
        );
    }
}

/// Lists and maps of flags: what was read, written with quotes, reads the same.
fn lists(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    // Ends of lines are made one kind, so they do not stay as they are.
    if let Ok(StringSlice(fields)) = text.parse()
        && !text.contains('\r')
    {
        let quoted: Vec<String> =
            fields.iter().map(|field| format!("\"{}\"", field.replace('"', "\"\""))).collect();
        assert_eq!(quoted.join(",").parse(), Ok(StringSlice(fields)), "{text:?}");
    }
    if let Ok(StringToString(map)) = text.parse() {
        assert!(map.len() <= text.matches('=').count(), "{text:?}");
    }
    let _ = text.parse::<FeatureGates>();
    let _ = text.parse::<host::logging::Modules>();
    let _ = text.parse::<host::endpoint::Endpoint>();
}

const DURATIONS: &[&str] = &[
    "0",
    "5s",
    "+5s",
    "-5s",
    "1m30s",
    "1h0m0.5s",
    ".5s",
    "1.s",
    "100ms",
    "3us",
    "3µs",
    "7ns",
    "2562047h47m16.854775807s",
];

const LISTS: &[&str] = &[
    "",
    "a,b",
    "\"region-one\"",
    "\"a,b\",c",
    "\"a\"\"b\"",
    "a=b,\"c=d,e\"",
    "\"a\nb\",c\r\n",
    "A=true,B=false",
    "lease=6,*_balancer=4",
    "unix://csi/csi.sock",
    "tcp://127.0.0.1:1",
];

const ERRORS: &[&str] = &[
    r#"{"error": {"code": 401, "title": "Unauthorized", "message": "The request you have made requires authentication."}}"#,
    r#"{"itemNotFound": {"code": 404, "message": "Instance x could not be found."}}"#,
    r#"{"computeFault": {"code": 406, "message": "Version 2.999 is not supported by the API. Minimum is 2.1 and maximum is 2.96."}}"#,
    r#"{"overLimit": {"code": 413, "message": "VolumeLimitExceeded", "retryAfter": "0"}}"#,
    r#"{"NeutronError": {"type": "OverQuota", "message": "Quota exceeded for resources: ['port'].", "detail": ""}}"#,
    r#"{"NeutronError": "text"}"#,
    r#"{"faultcode": "Client", "faultstring": "Load Balancer 9f1c is immutable and cannot be updated.", "debuginfo": null}"#,
    r#"{"code": 404, "title": "Not Found", "description": "Not Found. Sorry but your secret is in another castle."}"#,
    r#"{"message": "The resource could not be found.<br />", "code": "404 Not Found", "title": "Not Found"}"#,
    "<html><body>502 Bad Gateway</body></html>",
];

const TOKENS: &[&str] = &[
    r#"{"token": {"methods": ["password"], "issued_at": "2026-01-01T00:00:00.000000Z", "expires_at": "2026-01-01T01:00:00.000000Z", "project": {"id": "p", "name": "n", "domain": {"id": "default"}}, "user": {"id": "u", "domain": {"id": "default"}}, "catalog": [{"type": "compute", "endpoints": [{"interface": "public", "region": "r1", "region_id": "r1", "url": "http://nova:8774/v2.1"}]}, {"type": "volumev3", "endpoints": [{"interface": "public", "url": "http://cinder/v3/0123"}]}, {"type": "sharev2", "endpoints": [{"interface": "public", "url": "http://manila/v2"}]}]}}"#,
    r#"{"token": {"expires_at": null, "domain": {"id": "d"}, "user": {}, "catalog": []}}"#,
];

const CATALOGUES: &[&str] = &[
    r#"[{"type": "network", "id": "1", "name": "neutron", "endpoints": [{"interface": "public", "region": "r1", "region_id": "r1", "url": "http://n:9696/", "id": "2"}]}, {"type": "load_balancer", "endpoints": [{"interface": "internalURL", "url": "https://[fd00::1]:9876/v2.0/"}]}]"#,
    r#"[{"type": "key-manager", "endpoints": [{"interface": "public", "url": "https://b/key/v1/"}]}, {"type": "identity", "endpoints": [{"interface": "public", "url": "http://k/identity?x#y"}]}, {"type": "share", "endpoints": [{"interface": "public", "url": "http://m/v1/p"}]}]"#,
];

const VERSIONS: &[&str] = &[
    r#"{"versions": [{"id": "v2.0", "version": "", "min_version": ""}, {"id": "v2.1", "status": "CURRENT", "version": "2.96", "min_version": "2.1", "links": [{"rel": "self", "href": "http://n/v2.1/"}]}]}"#,
    r#"{"version": {"id": "v2.1", "version": "2.90", "min_version": "2.1"}}"#,
    r#"{"versions": {"values": [{"id": "v3.14", "status": "stable", "links": [{"rel": "self", "href": "http://keystone.example:5000/v3/"}]}]}}"#,
    r#"{"versions": [{"id": "v3.0", "version": "3.71", "min_version": "3.0"}, {"id": "v1", "max_version": "1.1", "min_version": "1.0"}]}"#,
];

const IDS: &[&str] = &[
    "3f0a-b_c.d~e",
    "../servers/x",
    "a b?c#d%2fé",
    "..",
    "9f1c2f0e-7a51-4b62-8d0d-5ad7dc1b4a4b",
    "http://other/v2.0/lbaas/pools?limit=1000&marker=3#x",
    "/v2.1/servers?limit=None&marker=",
];

const HEADERS: &[&str] = &[
    "120\nWed, 21 Oct 2026 07:28:00 GMT\nreq-3f0a",
    "Wed, 21 Oct 2026 07:28:30 GMT\nWed, 21 Oct 2026 07:28:00 GMT\nreq 1; drop",
    "18446744073709551615\n\n",
];

const CLOUDS: &[&str] = &[
    "clouds:\n  mine:\n    profile: vendor\n    auth:\n      auth_url: https://k/v3\n      username: u\n      password: hunter2\n      project_name: p\n      default_domain: default\n    region_name: r\n    interface: internal\n    verify: false\n    cacert: /ca.pem\n",
    "public-clouds:\n  vendor:\n    auth: {auth_url: https://vendor, username: nobody}\n    region_name: r\n",
    "# c\nx: &a {auth: {password: hunter2, token: ~}}\nclouds: {a: *a, b: {<<: *a, key: \"k\", cert: 'c'}, c: null}\n",
    "---\nclouds:\n  ? a\n  : auth:\n      password: |\n        hunter2\n      user_id: >-\n        x\n...\n",
];

const CONF: &[&str] = &[
    "[Global]\nauth-url = https://k/v3\nusername = u\npassword = \"hunter2\"\ntenant-name = t ; c\ndomain-name = d\nregion = r\ntls-insecure = true\n",
    "[Global]\nauth-url=x\ntrust-id=t\ntrustee-id=u\ntrustee-password=hunter2\\\n2\nos-endpoint-type = internal\n[Global \"b\"]\ntoken=hunter2\n",
    "[global]\nAUTH-URL=x\napplication-credential-name=n\napplication-credential-secret=hunter2\nuser-id=u\ncert-file=/c\nkey-file=/k\ncafilecontents=\"-----\\n\"\n",
    "[LoadBalancerClass \"a\\\"b\"]\nsubnet-id = 0x1f\n[Networking]\npublic-network-name\npublic-network-name = a\n",
];
