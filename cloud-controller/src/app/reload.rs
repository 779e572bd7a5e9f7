//! Credentials and certificates that are rotated while the program runs: what changed files lead to is counted, and
//! what is refused becomes an event.

use std::path::Path;
use std::sync::Arc;

use kubernetes::{EventTarget, EventType};
use login::{Outcome, ReadError, Reloader, Settings};

use super::{Connect, Program};
use crate::config::CloudConf;

/// Reason of the event that says that new credentials are not used. Do not change: users filter by it.
const REFUSED: &str = "CredentialsRefused";

/// Watches the files until it is dropped.
pub(super) async fn watch(program: Arc<Program>, connect: Connect) {
    let (flags, conf) = (&program.options.flags, &program.options.conf);
    let read = |path: &Path| -> Result<Settings, ReadError> {
        let new = CloudConf::read(path, conf.surroundings.clone())?;
        let session = new.global.session(conf.config.request_timeout, flags.user_agent());
        Ok(Settings { others_changed: new.config != conf.config, session, login: new.global })
    };
    let connect = |options: &_| connect(options).map(|plain| program.traffic.counted(plain));
    let reloader = Reloader::new(flags.cloud_config(), &conf.global, program.session.clone(), read, connect);
    reloader.run(|outcome| tell(&program, outcome)).await;
}

fn tell(program: &Program, outcome: &Outcome) {
    program.metrics.reloaded(outcome.name());
    if let Outcome::OtherIdentity(why) = outcome {
        let message = format!("cloud.conf has changed and is not used: {why}");
        program.recorder.event(&target(program), EventType::Warning, REFUSED, message);
    }
}

/// The lease: the one object of the cluster that is the program's own.
fn target(program: &Program) -> EventTarget {
    let election = &program.options.flags.election;
    EventTarget {
        kind: "Lease".to_owned(),
        namespace: election.leader_elect_resource_namespace.clone(),
        name: election.leader_elect_resource_name.clone(),
        api_version: "coordination.k8s.io/v1".to_owned(),
        ..EventTarget::default()
    }
}
