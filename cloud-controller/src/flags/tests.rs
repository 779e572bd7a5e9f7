//! Command lines as users have them.

use std::ffi::OsString;

use host::tls::{Certificate, MinVersion};

use super::*;

fn parse(args: &[&str]) -> Result<Flags, String> {
    let required = ["openstack-cloud-controller-manager", "--cloud-provider=openstack", "--cloud-config=/c"];
    host::flags::parse(required.iter().chain(args).map(OsString::from)).map_err(|error| error.to_string())
}

fn faults(args: &[&str]) -> Vec<String> {
    parse(args).unwrap().validate().err().unwrap_or_default()
}

#[test]
fn defaults_are_those_of_the_go_program() {
    let flags = parse(&[]).unwrap();
    assert_eq!(flags.validate(), Ok(()));
    assert!(flags.ignored().is_empty());
    assert!((flags.api.kube_api_qps - 20.0).abs() < f64::EPSILON);
    assert_eq!((flags.api.kube_api_burst, flags.controllers.cluster_name.as_str()), (30, "kubernetes"));
    assert_eq!(flags.controllers.node_status_update_frequency, Duration::from_secs(300));
    let election = &flags.election;
    assert!(election.leader_elect);
    assert_eq!(
        [
            election.leader_elect_lease_duration,
            election.leader_elect_renew_deadline,
            election.leader_elect_retry_period
        ],
        [15, 10, 2].map(Duration::from_secs)
    );
    assert_eq!(election.leader_elect_resource_name, "cloud-controller-manager");
    assert_eq!(election.leader_elect_resource_namespace, "kube-system");
    assert_eq!(flags.serving.address(), Some("0.0.0.0:10258".parse().unwrap()));
    assert_eq!(flags.tls(), ServerOptions::default());
    assert_eq!(flags.authorization.open_paths(), ["/healthz", "/readyz", "/livez"]);
    assert!(ControllerName::ALL.into_iter().all(|name| flags.controllers().unwrap().is_on(name)));
}

#[test]
fn the_arguments_of_upstreams_manifests_work_as_they_are() {
    let daemonset = [
        "--v=1",
        "--cluster-name=kubernetes",
        "--cloud-config=/etc/config/cloud.conf",
        "--cloud-provider=openstack",
        "--use-service-account-credentials=false",
        "--bind-address=127.0.0.1",
    ];
    let flags = parse(&daemonset).unwrap();
    assert_eq!(flags.validate(), Ok(()));
    assert_eq!(flags.logs.verbosity(), 1);
    assert_eq!(flags.serving.address(), Some("127.0.0.1:10258".parse().unwrap()));
    assert_eq!(flags.ignored(), ["--use-service-account-credentials"]);
    let chart = [
        "--v=2",
        "--cloud-config=$(CLOUD_CONFIG)",
        "--cluster-name=$(CLUSTER_NAME)",
        "--cloud-provider=openstack",
        "--use-service-account-credentials=true",
        "--controllers=cloud-node,cloud-node-lifecycle,route,service",
        "--bind-address=127.0.0.1",
    ];
    assert_eq!(parse(&chart).unwrap().validate(), Ok(()));
    let monitored =
        [&chart[..6], &["--bind-address=0.0.0.0", "--authorization-always-allow-paths=/metrics"]].concat();
    assert_eq!(parse(&monitored).unwrap().authorization.open_paths(), ["/metrics"]);
    let migration = [
        "--controllers=*,-cloud-node",
        "--leader-elect=false",
        "--cluster-cidr=10.244.0.0/16",
        "--configure-cloud-routes=false",
    ];
    assert_eq!(parse(&migration).unwrap().validate(), Ok(()));
    let log = parse(&[
        "--logging-format=json",
        "--vmodule=lease=6,*=2",
        "--log-flush-frequency=5s",
        "--version=false",
    ]);
    assert_eq!(log.unwrap().validate(), Ok(()));
}

#[test]
fn every_flag_of_the_go_program_is_known() {
    let all = "cloud-provider cloud-config user-agent kubeconfig master kube-api-qps kube-api-burst kube-api-content-type \
        use-service-account-credentials min-resync-period controllers controller-start-interval concurrent-service-syncs \
        concurrent-node-syncs concurrent-node-status-updates node-status-update-frequency node-monitor-period node-sync-period \
        route-reconciliation-period configure-cloud-routes allocate-node-cidrs cluster-cidr cidr-allocator-type cluster-name \
        external-cloud-volume-plugin allow-untagged-cloud leader-elect leader-elect-lease-duration \
        leader-elect-renew-deadline leader-elect-retry-period leader-elect-resource-lock leader-elect-resource-name \
        leader-elect-resource-namespace enable-leader-migration leader-migration-config bind-address secure-port cert-dir \
        tls-cert-file tls-private-key-file tls-sni-cert-key tls-cipher-suites tls-curve-preferences tls-min-version \
        disable-http2-serving http2-max-streams-per-connection permit-port-sharing permit-address-sharing \
        authentication-kubeconfig authentication-skip-lookup authentication-token-webhook-cache-ttl \
        authentication-tolerate-lookup-failure client-ca-file requestheader-allowed-names requestheader-client-ca-file \
        requestheader-extra-headers-prefix requestheader-group-headers requestheader-uid-headers \
        requestheader-username-headers authorization-kubeconfig authorization-always-allow-paths \
        authorization-webhook-cache-authorized-ttl authorization-webhook-cache-unauthorized-ttl profiling \
        contention-profiling feature-gates v vmodule logging-format log-flush-frequency log-text-split-stream \
        log-text-info-buffer-size log-json-split-stream log-json-info-buffer-size version help webhooks \
        webhook-bind-address webhook-secure-port webhook-cert-dir webhook-tls-cert-file webhook-tls-private-key-file \
        webhook-tls-sni-cert-key webhook-tls-cipher-suites webhook-tls-min-version webhook-disable-http2-serving";
    let page = page();
    for name in all.split_whitespace().filter(|name| *name != "help") {
        assert!(page.contains(&format!("| `--{name}`")), "{name}");
    }
}

#[test]
fn help_is_grouped_and_names_every_flag() {
    let help = parse(&["--help"]).unwrap_err();
    for heading in [
        "Generic flags:",
        "Secure serving flags:",
        "Authentication flags:",
        "Authorization flags:",
        "Logs flags:",
    ] {
        assert!(help.lines().any(|line| line == heading), "{heading}\n{help}");
    }
    assert!(help.contains("--client-ca-file <FILE>") && help.contains("--stderrthreshold"));
}

#[test]
fn how_the_endpoint_is_served() {
    let flags = parse(&[
        "--tls-cert-file=/c",
        "--tls-private-key-file=/k",
        "--tls-min-version=VersionTLS13",
        "--tls-cipher-suites=TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,TLS_AES_128_GCM_SHA256",
        "--tls-curve-preferences=29,23",
        "--tls-sni-cert-key=/s.crt,/s.key:a.example,*.b.example",
        "--client-ca-file=/ca",
        "--requestheader-client-ca-file=/proxy",
        "--requestheader-allowed-names=front-proxy",
    ])
    .unwrap();
    assert_eq!(flags.validate(), Ok(()));
    let tls = flags.tls();
    assert_eq!(tls.certificate, Certificate::Files { certificate: "/c".into(), key: "/k".into() });
    assert_eq!((tls.min_version, tls.curves), (MinVersion::Tls13, vec![29, 23]));
    assert_eq!((tls.cipher_suites.len(), tls.sni[0].names.len()), (2, 2));
    assert_eq!(
        (tls.clients.users, tls.clients.proxy_names),
        (Some("/ca".into()), vec!["front-proxy".to_owned()])
    );
    assert_eq!(flags.authentication.proxy_headers().group, ["x-remote-group"]);
    assert_eq!(
        faults(&[
            "--tls-cipher-suites=TLS_NONSENSE",
            "--tls-curve-preferences=P-256",
            "--tls-sni-cert-key=x"
        ]),
        [
            "--tls-cipher-suites: \"TLS_NONSENSE\" is not known",
            "--tls-curve-preferences: expected numbers such as 29 or 23",
            "--tls-sni-cert-key: expected certificate,key or certificate,key:names",
        ]
    );
    assert!(parse(&["--feature-gates=A"]).unwrap_err().contains("missing bool value for A"));
}

#[test]
fn what_must_be_given_and_what_must_not() {
    let flags: Flags = host::flags::parse(["program".into()]).unwrap();
    assert_eq!(
        flags.validate().unwrap_err(),
        ["--cloud-provider is required: openstack", "--cloud-config is required: the path of cloud.conf"]
    );
    assert_eq!(
        faults(&["--cloud-provider=external"]),
        ["--cloud-provider: \"external\" is not known here, expected openstack"]
    );
    assert_eq!(
        faults(&["--leader-elect-resource-lock=configmaps"]),
        ["--leader-elect-resource-lock: only leases is supported"]
    );
    assert_eq!(
        faults(&["--leader-elect-lease-duration=10s"]),
        ["--leader-elect-lease-duration must be longer than --leader-elect-renew-deadline"]
    );
    assert_eq!(
        faults(&["--enable-leader-migration"]),
        ["--enable-leader-migration is not supported by this version"]
    );
    assert_eq!(faults(&["--bind-address=localhost"]), ["--bind-address is not an IP address"]);
    assert_eq!(
        faults(&["--tls-cert-file=/c"]),
        ["--tls-cert-file and --tls-private-key-file belong together"]
    );
    assert_eq!(faults(&["--webhooks=x"]), ["--webhooks: \"x\" is not in the list of known webhooks"]);
    assert!(parse(&["positional"]).unwrap_err().contains("unexpected argument"));
    assert!(parse(&["--no-such-flag"]).is_err());
}

#[test]
fn controllers_are_switched_by_either_name_and_the_first_mention_counts() {
    let on = |args: &[&str]| -> Vec<&str> {
        let controllers = parse(args).unwrap().controllers().unwrap();
        ControllerName::ALL
            .into_iter()
            .filter(|name| controllers.is_on(*name))
            .map(ControllerName::alias)
            .collect()
    };
    assert_eq!(on(&["--controllers=*,-cloud-node"]), ["cloud-node-lifecycle", "service", "route"]);
    assert_eq!(on(&["--controllers=service-lb-controller"]), ["service"]);
    assert_eq!(
        on(&["--controllers=service,-service,*"]),
        ["cloud-node", "cloud-node-lifecycle", "service", "route"]
    );
    assert_eq!(
        on(&["--controllers=-service", "--controllers=*"]),
        ["cloud-node", "cloud-node-lifecycle", "route"]
    );
    assert_eq!(on(&["--controllers="]), Vec::<&str>::new());
    assert_eq!(
        faults(&["--controllers=*,nodeipam"]),
        ["--controllers: \"nodeipam\" is not in the list of known controllers"]
    );
}

#[test]
fn flags_without_effect_are_accepted_in_every_form_and_told() {
    let flags = parse(&[
        "--allocate-node-cidrs",
        "--cluster-cidr=10.0.0.0/8",
        "--min-resync-period",
        "12h",
        "--profiling=false",
        "--feature-gates=A=true,B=false",
        "--stderrthreshold=2",
    ])
    .unwrap();
    assert_eq!(flags.validate(), Ok(()));
    assert_eq!(
        flags.ignored(),
        [
            "--min-resync-period",
            "--cluster-cidr",
            "--allocate-node-cidrs",
            "--stderrthreshold",
            "--feature-gates A=true",
            "--feature-gates B=false",
        ]
    );
}

#[test]
fn the_last_user_agent_comes_first() {
    let own = concat!("openstack-cloud-controller-manager/", env!("CARGO_PKG_VERSION"));
    assert_eq!(parse(&[]).unwrap().user_agent(), own);
    let flags = parse(&["--user-agent=one", "--user-agent=two"]).unwrap();
    assert_eq!(flags.user_agent(), format!("two one {own}"));
}

#[test]
fn versions() {
    let version = |arg: &str| parse(&[arg]).unwrap().version();
    let number = env!("CARGO_PKG_VERSION");
    assert_eq!(version("--version"), Some(format!("openstack-cloud-controller-manager v{number}")));
    assert_eq!(version("--version=raw"), Some(format!("v{number}")));
    assert_eq!(version("--version=false"), None);
    assert_eq!(parse(&[]).unwrap().version(), None);
}

#[test]
fn port_zero_is_no_endpoint() {
    assert_eq!(parse(&["--secure-port=0"]).unwrap().serving.address(), None);
}
