//! `[Global]` by example.

mod clouds;
mod reload;

use host::cloud_conf::{Program, Sections};
use host::gcfg::{File, Report};
use openstack::{Credentials, Domain, Interface, Project, Scope, User};
use secrecy::ExposeSecret as _;

use super::*;

/// A login from these lines of `[Global]`, and the warnings.
fn read(lines: &[&str], surroundings: &Surroundings) -> Result<(Login, Vec<String>), String> {
    let text = format!("[Global]\n{}\n", lines.join("\n"));
    let mut report = Report::default();
    let file = File::parse("cloud.conf", &text, &mut report);
    let global = Sections::read(file, Program::CloudController, &mut report).take_global();
    let login = Login::read(global, surroundings, &mut report);
    let warnings = report.into_result().map_err(|faults| faults.to_string())?;
    Ok((login.unwrap(), warnings.iter().map(ToString::to_string).collect()))
}

/// The same with an address of Keystone, and without clouds.yaml anywhere.
fn global(lines: &[&str]) -> Result<Login, String> {
    let lines = [&["auth-url = http://keystone/v3"], lines].concat();
    read(&lines, &Surroundings::default()).map(|(login, _)| login)
}

fn name(name: &str) -> Domain {
    Domain::Name(name.to_owned())
}

#[test]
fn a_password_with_a_project_in_a_domain() {
    let login = global(&[
        "username = u",
        "password = \"p#1\"",
        "tenant-name = t",
        "domain-name = d",
        "tenant-domain-id = td",
    ]);
    let auth = login.unwrap().auth;
    let Credentials::Password { user, password } = auth.credentials else { panic!("{:?}", auth.credentials) };
    assert_eq!(user, User::Name { name: "u".to_owned(), domain: Domain::Name("d".to_owned()) });
    assert_eq!(password.expose_secret(), "p#1");
    let project = Project::Name { name: "t".to_owned(), domain: Domain::Id("td".to_owned()) };
    assert_eq!(auth.scope, Scope::Project(project));
}

#[test]
fn scopes_and_domains() {
    let scope = |lines: &[&str]| {
        global(&[&["user-id = u", "password = p"], lines].concat()).map(|login| login.auth.scope)
    };
    assert_eq!(
        scope(&["tenant-id = t", "tenant-name = n"]),
        Ok(Scope::Project(Project::Id("t".to_owned()))),
        "the id wins"
    );
    assert_eq!(scope(&["domain-id = d"]), Ok(Scope::Domain(Domain::Id("d".to_owned()))));
    assert_eq!(scope(&["domain-name = d"]), Ok(Scope::Domain(Domain::Name("d".to_owned()))));
    assert_eq!(scope(&[]), Ok(Scope::Unscoped));
    assert_eq!(
        scope(&["tenant-name = n"]).unwrap_err(),
        "cloud.conf:2:1: [Global] names the project by tenant-name and needs its domain: tenant-domain-name or domain-name"
    );
    assert_eq!(
        global(&["username = u", "password = p", "domain-id = d"]).unwrap_err(),
        "cloud.conf:2:1: [Global] names the user by username and needs its domain: user-domain-name or domain-name",
        "a general domain without a project is the scope"
    );
}

#[test]
fn users_have_their_domain() {
    let user = |lines: &[&str]| {
        let lines = [&["username = u", "password = p", "tenant-id = t"], lines].concat();
        match global(&lines)?.auth.credentials {
            Credentials::Password { user: User::Name { domain, .. }, .. } => Ok::<_, String>(domain),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(user(&["domain-name = d"]).unwrap(), name("d"));
    assert_eq!(user(&["domain-name = d", "user-domain-name = ud"]).unwrap(), name("ud"));
    assert_eq!(user(&["domain-name = d", "user-domain-id = ud"]).unwrap(), Domain::Id("ud".to_owned()));
    assert_eq!(user(&["tenant-domain-name = td", "domain-name = d"]).unwrap(), name("d"));
}

#[test]
fn contradictions_are_refused_as_by_go() {
    for (lines, expected) in [
        (
            &["user-id = i", "username = u", "password = p"][..],
            "cloud.conf:3:1: [Global] has both username and user-id",
        ),
        (
            &["username = u", "password = p", "tenant-id = t", "domain-id = a", "domain-name = b"],
            "cloud.conf:6:1: [Global] has both domain-id and domain-name",
        ),
        (
            &["username = u", "password = p", "tenant-id = t", "user-domain-id = a", "user-domain-name = b"],
            "cloud.conf:6:1: [Global] has both user-domain-id and user-domain-name",
        ),
        (
            &[
                "user-id = u",
                "password = p",
                "tenant-name = t",
                "tenant-domain-id = a",
                "tenant-domain-name = b",
            ],
            "cloud.conf:6:1: [Global] has both tenant-domain-id and tenant-domain-name",
        ),
        (
            &["application-credential-id = i", "application-credential-secret = s", "trust-id = t"],
            "cloud.conf:5:1: [Global] has a trust and an application credential, which Keystone does not combine",
        ),
        (&["application-credential-id = i"], "cloud.conf:1:1: [Global] needs application-credential-secret"),
    ] {
        assert_eq!(global(lines).unwrap_err(), expected);
    }
}

#[test]
fn application_credentials_carry_their_own_scope() {
    let auth =
        global(&["application-credential-id = id", "application-credential-secret = s", "tenant-id = t"])
            .unwrap()
            .auth;
    assert!(matches!(auth.credentials, Credentials::ApplicationCredentialId { ref id, .. } if id == "id"));
    assert_eq!(auth.scope, Scope::Unscoped);
    let by_name = ["application-credential-name = n", "application-credential-secret = s"];
    for (lines, expected) in [
        (
            &["username = u", "domain-name = d"][..],
            User::Name { name: "u".into(), domain: Domain::Name("d".into()) },
        ),
        (&["user-id = i"], User::Id("i".into())),
    ] {
        let auth = global(&[&by_name, lines].concat()).unwrap().auth;
        let Credentials::ApplicationCredentialName { user, name, .. } = auth.credentials else { panic!() };
        assert_eq!((name.as_str(), user), ("n", expected));
    }
}

#[test]
fn precedence_is_token_password_application_credential() {
    let all = [
        "token = abc",
        "password = p",
        "user-id = u",
        "application-credential-id = i",
        "application-credential-secret = s",
    ];
    let kind = |lines: &[&str]| match global(lines).unwrap().auth.credentials {
        Credentials::Token(_) => "token",
        Credentials::Password { .. } => "password",
        Credentials::ApplicationCredentialId { .. } => "id",
        Credentials::ApplicationCredentialName { .. } => "name",
    };
    assert_eq!(kind(&all), "token");
    assert_eq!(kind(&all[1..]), "password");
    assert_eq!(kind(&all[2..]), "id");
    assert_eq!(kind(&[&all[2..], &["application-credential-name = n"]].concat()), "id");
    let auth = global(&["token = abc", "username = u", "password = p", "tenant-id = t"]).unwrap().auth;
    assert_eq!(auth.scope, Scope::Project(Project::Id("t".to_owned())));
    let auth = global(&all[1..]).unwrap().auth;
    assert_eq!(auth.scope, Scope::Unscoped, "no scope beside any field of an application credential");
}

#[test]
fn a_trust_is_the_scope_and_the_trustee_the_user() {
    let trust = ["trust-id = tr", "tenant-id = ignored"];
    let auth = |lines: &[&str]| global(&[&trust, lines].concat()).unwrap().auth;
    for lines in [
        &["user-id = me", "password = p"][..],
        &["trustee-id = me", "trustee-password = p"],
        &["trustee-id = me", "trustee-password = p", "user-id = other", "password = other"],
        &["trustee-id = me", "password = p", "username = other"],
    ] {
        let auth = auth(lines);
        assert_eq!(auth.scope, Scope::Trust("tr".to_owned()));
        let Credentials::Password { user, password } = auth.credentials else { panic!() };
        assert_eq!((user, password.expose_secret()), (User::Id("me".to_owned()), "p"));
    }
    let named = auth(&["username = me", "password = p", "domain-id = d"]);
    let Credentials::Password { user: User::Name { domain, .. }, .. } = named.credentials else { panic!() };
    assert_eq!(domain, Domain::Id("d".to_owned()));
}

#[test]
fn incomplete_logins_say_what_is_missing() {
    let nothing = read(&[], &Surroundings::default()).unwrap_err();
    assert_eq!(nothing, "cloud.conf:1:1: [Global] needs auth-url, the address of Keystone");
    assert_eq!(
        global(&["username = u"]).unwrap_err(),
        "cloud.conf:2:1: [Global] needs credentials: a password with username or user-id, an application credential, or a token"
    );
    assert_eq!(
        global(&["password = p"]).unwrap_err(),
        "cloud.conf:2:1: [Global] has a secret but neither username nor user-id"
    );
}

#[test]
fn endpoints_and_tls() {
    let login = global(&[
        "token = t",
        "region = north",
        "os-endpoint-type = internal",
        "ca-file = /ca.pem",
        "cert-file = /c.pem",
        "key-file = /k.pem",
        "tls-insecure = true",
    ])
    .unwrap();
    assert_eq!((login.region.as_deref(), login.interface), (Some("north"), Interface::Internal));
    let client = ClientCertificateFiles { certificate: "/c.pem".into(), key: "/k.pem".into() };
    let expected = TlsFiles {
        ca_file: Some("/ca.pem".into()),
        ca_pem: None,
        client_certificate: Some(client),
        insecure: true,
    };
    assert_eq!(login.tls, expected);

    let odd = ["auth-url = x", "token = t", "tls-insecure = yes", "cert-file = /c.pem"];
    let (login, warnings) = read(&odd, &Surroundings::default()).unwrap();
    assert!(!login.tls.insecure && login.tls.client_certificate.is_none());
    assert_eq!(
        warnings,
        [
            "cloud.conf:4:1: tls-insecure: certificates are checked; only the word `true` turns that off",
            "cloud.conf:5:1: cert-file and key-file: one without the other has no effect",
        ]
    );
}

#[test]
fn secrets_do_not_show_in_debug_output() {
    let secrets = ["user-id = u", "password = hunter2", "tenant-id = t", "trustee-password = hunter2"];
    assert!(!format!("{:?}", global(&secrets).unwrap()).contains("hunter2"));
}
