//! The product's own client of OpenStack, for tests that are about it.

use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

use host::cloud_conf::{Program, Sections};
use host::gcfg::{File, Report};
use login::Login;
use openstack::{Cloud, Error, Session};
use tokio::runtime::Runtime;

/// One thread, as in the programs.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
});

/// Waits for something of the client's.
pub(crate) fn run<T>(future: impl Future<Output = T>) -> T {
    RUNTIME.block_on(future)
}

/// A cloud as this cloud.conf describes it; `clouds.yaml`'s companions are in `directory`.
pub(crate) fn cloud(conf: &str, directory: &Path) -> Cloud {
    let mut report = Report::default();
    let file = File::parse("cloud.conf", conf, &mut report);
    let global = Sections::read(file, Program::CloudController, &mut report).take_global();
    let login = Login::read(global, &crate::logins::surroundings(directory), &mut report);
    report.into_result().unwrap_or_else(|faults| panic!("{conf}: {faults}"));
    let login = login.unwrap();
    let transport = openstack::transport::reqwest(&login.tls.load().unwrap()).unwrap();
    let config = login.session(Duration::from_secs(30), "client-of-tests".to_owned());
    Cloud::new(Session::new(config, transport))
}

/// One call that needs a token of a project.
pub(crate) fn read(cloud: &Cloud) -> Result<(), Error> {
    run(async { cloud.network().networks(&openstack::network::NetworkFilter::default()).await.map(|_| ()) })
}
