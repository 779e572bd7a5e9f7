//! The program under test, as a process of its own.

use std::fs::{self, File};
use std::net::TcpListener;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::Value;

use crate::calls::Calls;
use crate::cluster::Cluster;
use crate::http::Http;
use crate::lab::Lab;
use crate::wait::eventually;

/// Name of the executable.
const PROGRAM: &str = "openstack-cloud-controller-manager";
/// Environment variable with another executable to test.
const PROGRAM_VARIABLE: &str = "E2E_CONTROLLER";
/// Longest that a lease of a killed process is waited for.
const LEADING: Duration = Duration::from_secs(30);

/// Longest that a process may take to end in good order when its test is over.
const LEAVING: Duration = Duration::from_secs(5);

/// Numbers the processes of this run.
static STARTED: AtomicU32 = AtomicU32::new(0);

/// How the program is started.
#[derive(Clone, Debug)]
pub struct Options {
    /// `--cluster-name`: each test has its own, so that nothing in the cloud is another's.
    pub cluster_name: String,
    /// `lb-provider`.
    pub provider: &'static str,
    /// Further lines in `[LoadBalancer]`.
    pub load_balancer: &'static str,
    /// Further flags.
    pub flags: Vec<&'static str>,
}

/// A running program; ended when dropped.
pub struct Controller {
    process: Child,
    directory: PathBuf,
    http: Http,
    endpoint: String,
    /// What its user agent contains, and no other's.
    pub agent: String,
    /// When it was started.
    pub started: Instant,
}

impl Options {
    /// The OVN provider and defaults for all else.
    pub fn new(cluster_name: &str) -> Self {
        Self { cluster_name: cluster_name.to_owned(), provider: "ovn", load_balancer: "", flags: Vec::new() }
    }

    /// With one more flag.
    #[must_use]
    pub fn flag(mut self, flag: &'static str) -> Self {
        self.flags.push(flag);
        self
    }

    /// Without leader election: a test that kills the program would wait for the lease to expire each time.
    #[must_use]
    pub fn alone(self) -> Self {
        self.flag("--leader-elect=false")
    }
}

impl Controller {
    /// Starts it.
    pub fn start(lab: &Lab, cluster: &Cluster, options: &Options) -> Self {
        Self::start_program(&program(), lab, cluster, options)
    }

    /// Starts a certain executable.
    pub fn start_program(program: &Path, lab: &Lab, cluster: &Cluster, options: &Options) -> Self {
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let agent = format!("e2e-{}-{number}", std::process::id());
        let directory = std::env::temp_dir().join(&agent);
        fs::create_dir_all(&directory).expect("a directory");
        let conf = directory.join("cloud.conf");
        write_secret(&conf, &cloud_conf(lab, options));
        let port = free_port();
        let kubeconfig = cluster.controller_kubeconfig();
        let started = Instant::now();
        let process = Command::new(program)
            .args(["--cloud-provider=openstack", "--bind-address=127.0.0.1", "-v=4"])
            .arg("--authorization-always-allow-paths=/healthz,/readyz,/livez,/metrics")
            .args([format!("--cloud-config={}", conf.display()), format!("--kubeconfig={kubeconfig}")])
            .args([format!("--cluster-name={}", options.cluster_name), format!("--secure-port={port}")])
            .arg(format!("--user-agent={agent}"))
            .args(&options.flags)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(directory.join("log")).expect("a log"))
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}; build it first", program.display()));
        let endpoint = format!("https://127.0.0.1:{port}");
        Self { process, directory, http: lab.http.clone(), endpoint, agent, started }
    }

    /// Starts it and waits until it works.
    pub fn lead(lab: &Lab, cluster: &Cluster, options: &Options) -> Self {
        let mut controller = Self::start(lab, cluster, options);
        if !options.flags.contains(&"--leader-elect=false") {
            controller.leads(LEADING);
        }
        controller
    }

    /// Waits until it holds the lease.
    pub fn leads(&mut self, within: Duration) {
        eventually(within, "the controller leads", || {
            if let Ok(Some(status)) = self.process.try_wait() {
                panic!("the controller has ended with {status}:\n{}", self.log_tail());
            }
            if self.is_leading() { Ok(()) } else { Err("another one does, or none".to_owned()) }
        });
    }

    /// Waits, looking often, until it says that it has the lease; how long that was after `since`.
    pub fn led(&self, since: Instant) -> Duration {
        while !self.log().contains(" leading lease=") {
            assert!(since.elapsed() < LEADING, "it does not lead:\n{}", self.log_tail());
            std::thread::sleep(Duration::from_millis(2));
        }
        since.elapsed()
    }

    /// Whether its metrics say that it holds the lease.
    pub fn is_leading(&self) -> bool {
        self.metric("leader_election_master_status").is_some_and(|value| value > 0.0)
    }

    /// Changes its configuration file.
    pub fn rewrite_conf(&self, change: impl FnOnce(&str) -> String) {
        let path = self.directory.join("cloud.conf");
        let conf = fs::read_to_string(&path).expect("cloud.conf");
        write_secret(&path, &change(&conf));
    }

    /// The first sample of the metric with this name, which may end in the labels it must have.
    pub fn metric(&self, name: &str) -> Option<f64> {
        let answer = self.http.send(Method::GET, &format!("{}/metrics", self.endpoint), &[], None).ok()?;
        let mut lines = answer.text.lines();
        let fits = |line: &&str| {
            let shown =
                if name.contains('{') { line.split(' ').next() } else { line.split(['{', ' ']).next() };
            shown == Some(name)
        };
        let line = lines.find(fits)?;
        line.rsplit(' ').next()?.parse().ok()
    }

    /// What it has asked of OpenStack since `epoch`.
    pub fn calls(&self, epoch: f64) -> Calls {
        Calls::since(&self.agent, epoch)
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.directory.join("log")).unwrap_or_default()
    }

    /// Resident memory, in KiB.
    pub fn resident(&self) -> u64 {
        let path = format!("/proc/{}/status", self.process.id());
        let status = fs::read_to_string(path).expect("the process runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }

    /// Seconds of processor time used so far.
    pub fn processor_seconds(&self) -> f64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.process.id())).expect("the process runs");
        // After the name in parentheses; user and system time are the 14th and 15th field, in ticks of 10 ms.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks: u32 = [11, 12].iter().map(|at| fields[*at].parse::<u32>().unwrap_or_default()).sum();
        f64::from(ticks) / 100.0
    }

    /// Asks it to end, as the kubelet does.
    pub fn terminate(&self) {
        let sent = Command::new("kill").args(["-TERM", &self.process.id().to_string()]).status();
        assert!(sent.is_ok_and(|status| status.success()), "the signal is sent");
    }

    /// Waits for its end.
    pub fn ended(&mut self, within: Duration) -> ExitStatus {
        eventually(within, "the controller ends", || {
            self.process.try_wait().map_err(|error| error.to_string())?.ok_or_else(|| "it runs".to_owned())
        })
    }

    /// Kills it, as the kernel does.
    pub fn kill(mut self) {
        self.process.kill().expect("the process runs");
    }

    /// Asks it to end and waits a little: one that is killed keeps the lease, and the next test waits for it.
    fn leave_in_good_order(&mut self) {
        let runs = |process: &mut Child| matches!(process.try_wait(), Ok(None));
        if runs(&mut self.process) {
            let _ = Command::new("kill").args(["-TERM", &self.process.id().to_string()]).status();
            let asked = Instant::now();
            while runs(&mut self.process) && asked.elapsed() < LEAVING {
                std::thread::sleep(Duration::from_millis(10));
            }
        }
    }

    fn log_tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }
}

impl Drop for Controller {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!(
                "--- log of {}, the last lines (all of it: {}):\n{}",
                self.agent,
                self.directory.join("log").display(),
                self.log_tail()
            );
        } else {
            let _ = fs::remove_dir_all(&self.directory);
        }
        self.leave_in_good_order();
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The executable that was built with the tests' own profile.
fn program() -> PathBuf {
    if let Some(path) = std::env::var_os(PROGRAM_VARIABLE) {
        return path.into();
    }
    let tests = std::env::current_exe().expect("this test's path");
    // target/PROFILE/deps/e2e-… or target/PROFILE/bench
    let found = tests.ancestors().skip(1).map(|directory| directory.join(PROGRAM)).find(|path| path.exists());
    found.unwrap_or_else(|| panic!("no {PROGRAM} beside {}: build it first", tests.display()))
}

fn cloud_conf(lab: &Lab, options: &Options) -> String {
    let fact = |pointer: &str| lab.fact(pointer).to_owned();
    let global = [
        ("auth-url", fact("/openstack/auth_url")),
        ("region", fact("/openstack/region")),
        ("username", fact("/openstack/users/user/name")),
        ("password", fact("/openstack/users/user/password")),
        ("domain-id", fact("/openstack/users/user/domain_id")),
        ("tenant-name", fact("/openstack/users/user/project")),
    ];
    let mut load_balancer = vec![
        ("lb-provider", options.provider.to_owned()),
        ("subnet-id", fact("/openstack/projects/k8s/subnet")),
        ("floating-network-id", fact("/openstack/external/network")),
    ];
    if options.provider == "ovn" {
        load_balancer.push(("lb-method", "SOURCE_IP_PORT".to_owned()));
    }
    let section = |name: &str, entries: &[(&str, String)]| {
        let lines: Vec<String> = entries.iter().map(|(key, value)| format!("{key} = {value}\n")).collect();
        format!("[{name}]\n{}", lines.concat())
    };
    section("Global", &global) + &section("LoadBalancer", &load_balancer) + options.load_balancer
}

fn write_secret(path: &Path, content: &str) {
    use std::io::Write as _;
    let file = File::options().write(true).create(true).truncate(true).mode(0o600).open(path);
    file.and_then(|mut file| file.write_all(content.as_bytes())).expect("cloud.conf is written");
}

/// A port that nobody listens on at the moment.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    listener.expect("a free port").port()
}

/// Who holds the lease of a cluster, as the lease says.
pub fn lease(cluster: &Cluster) -> Option<Value> {
    cluster.get("/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/cloud-controller-manager")
}
