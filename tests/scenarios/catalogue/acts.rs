//! What users and operators do while things go wrong.

use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::time::sleep;

use crate::harness::Run;

/// A person's pauses and choices, from the run's seed.
struct User {
    run: Run,
    rng: fastrand::Rng,
}

impl User {
    fn of(run: Run) -> Self {
        let rng = run.stage().world.rng("user");
        Self { run, rng }
    }

    async fn pause(&mut self, least: u64, most: u64) {
        sleep(Duration::from_millis(self.rng.u64(least..=most))).await;
    }

    /// Some ports, no two alike.
    fn ports(&mut self) -> Vec<u16> {
        let mut ports: Vec<u16> = [80, 443, 8080].into_iter().filter(|_| self.rng.bool()).collect();
        if ports.is_empty() {
            ports.push(80);
        }
        ports
    }
}

/// Services are made, changed and deleted.
pub(super) fn churn(run: Run) -> BoxFuture<'static, ()> {
    busy(run, 6, 12_000).boxed()
}

/// The same, with more time between.
pub(super) fn long_churn(run: Run) -> BoxFuture<'static, ()> {
    busy(run, 9, 25_000).boxed()
}

async fn busy(run: Run, steps: u32, most: u64) {
    let mut user = User::of(run);
    let mut names: Vec<String> = Vec::new();
    user.pause(0, 4_000).await;
    for step in 0..steps {
        let ports = user.ports();
        match user.rng.u32(..6) {
            _ if names.is_empty() => {}
            0 => {
                let name = names.swap_remove(user.rng.usize(..names.len()));
                user.run.delete_service(0, &name);
                if user.rng.bool() {
                    // At once one of the same name again, as `kubectl replace --force` does.
                    user.run.when_gone(0, &name, &ports);
                    names.push(name);
                }
                user.pause(0, most).await;
                continue;
            }
            1 | 2 => {
                let name = names[user.rng.usize(..names.len())].clone();
                user.run.set_ports(0, &name, &ports);
                user.pause(0, most).await;
                continue;
            }
            3 => {
                user.run.add_node(0, &format!("late-{step}"));
                user.pause(0, most).await;
                continue;
            }
            _ => {}
        }
        let name = format!("web-{step}");
        user.run.create_service(0, &name, &ports);
        names.push(name);
        user.pause(0, most).await;
    }
}

/// Services are made and left alone.
pub(super) fn create_only(run: Run) -> BoxFuture<'static, ()> {
    async move {
        let mut user = User::of(run);
        for step in 0..3 {
            let ports = user.ports();
            user.run.create_service(0, &format!("web-{step}"), &ports);
            user.pause(0, 15_000).await;
        }
        user.pause(20_000, 40_000).await;
    }
    .boxed()
}

/// Nodes register, one or many at once.
pub(super) fn register(run: Run) -> BoxFuture<'static, ()> {
    async move {
        let mut user = User::of(run);
        for step in 0..6 {
            for n in 0..user.rng.usize(1..5) {
                user.run.add_node(0, &format!("late-{step}-{n}"));
            }
            user.pause(0, 15_000).await;
        }
    }
    .boxed()
}

/// Nodes come and go under a few Services.
pub(super) fn nodes(run: Run) -> BoxFuture<'static, ()> {
    async move {
        let mut user = User::of(run);
        for name in ["web", "api"] {
            let ports = user.ports();
            user.run.create_service(0, name, &ports);
        }
        user.pause(0, 20_000).await;
        let mut gone = 0;
        for step in 0..6 {
            match user.rng.u32(..4) {
                0 if gone < 3 => {
                    gone += 1;
                    user.run.remove_node(0, &format!("n{gone}"));
                }
                1 => user.run.exclude_node(0, "n4", user.rng.bool()),
                _ => user.run.add_node(0, &format!("late-{step}")),
            }
            user.pause(0, 15_000).await;
        }
    }
    .boxed()
}

/// In two clusters of one name Services of one name, and some of their own.
pub(super) fn same_names(run: Run) -> BoxFuture<'static, ()> {
    async move {
        let mut user = User::of(run);
        for name in ["web", "api"] {
            for cluster in [0, 1] {
                let ports = user.ports();
                user.run.create_service(cluster, name, &ports);
                user.pause(0, 8_000).await;
            }
        }
        for cluster in [0, 1] {
            user.run.create_service(cluster, &format!("own-{cluster}"), &[80]);
            user.pause(0, 8_000).await;
        }
        user.run.delete_service(user.rng.usize(..2), "web");
        user.pause(10_000, 30_000).await;
    }
    .boxed()
}

/// The password changes in the cloud and, a little later, in the file.
pub(super) fn rotate(run: Run) -> BoxFuture<'static, ()> {
    async move {
        let mut user = User::of(run.clone());
        user.run.create_service(0, "before", &[80]);
        user.pause(5_000, 30_000).await;
        run.stage().rotate_password("another-password-2");
        user.pause(0, 20_000).await;
        run.stage().write_conf("another-password-2");
        busy(run, 4, 12_000).await;
    }
    .boxed()
}
