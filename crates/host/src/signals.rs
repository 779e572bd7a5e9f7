//! Signals that end a process.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// A token that is cancelled by SIGTERM or SIGINT. A second signal ends the process at once with status 1.
///
/// # Errors
/// The handlers cannot be installed.
pub fn stop() -> std::io::Result<CancellationToken> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let token = CancellationToken::new();
    let stop = token.clone();
    tokio::spawn(async move {
        let name = first_of(&mut terminate, &mut interrupt).await;
        tracing::info!(signal = name, "stopping");
        stop.cancel();
        let name = first_of(&mut terminate, &mut interrupt).await;
        tracing::warn!(signal = name, "stopped before everything was in order");
        std::process::exit(1);
    });
    Ok(token)
}

async fn first_of(terminate: &mut Signal, interrupt: &mut Signal) -> &'static str {
    tokio::select! {
        biased;
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn sigterm_cancels() {
        let token = stop().unwrap();
        assert!(!token.is_cancelled());
        let kill = std::process::Command::new("kill")
            .arg("-TERM")
            .arg(std::process::id().to_string())
            .status()
            .unwrap();
        assert!(kill.success());
        tokio::time::timeout(std::time::Duration::from_secs(10), token.cancelled()).await.unwrap();
    }
}
