//! A request's way to the API server and back: the network, what goes wrong on it, the ledger.

use std::time::Duration;

use bytes::Bytes;
use futures::stream::{self, StreamExt as _};
use http::{Method, Request, Response};
use jiff::SignedDuration;
use serde_json::Value;
use tokio::sync::oneshot;
use tokio::time::sleep;

use super::refusal::Refusal;
use super::route::Ask;
use super::serve::Answer;
use super::watch::{self, Disturbance};
use super::{ApiServer, Chunks, SERVICE};
use crate::fault::{Fault, Seen};
use crate::ledger::{Entry, Number};
use crate::link::{Broken, Cut, Link, Point};
use crate::world::Moment;

type Told = Result<Response<Chunks>, Broken>;

pub(crate) async fn send(server: &ApiServer, link: &Link, request: Request<Bytes>) -> Told {
    link.pass(Point::Leaves);
    if link.is_dead() {
        return Err(Broken::Connect);
    }
    let ask = Ask::of(&request);
    let (number, faults) = begin(server, link, &ask);
    let (tell, told) = oneshot::channel();
    // A task of its own, so that a request goes on when its sender stops waiting.
    tokio::spawn(carry(server.clone(), link.clone(), ask, number, faults, tell));
    let answer = told.await.unwrap_or(Err(Broken::Reset))?;
    link.pass(Point::Arrives);
    if link.is_dead() {
        return Err(Broken::Reset);
    }
    let world = &server.0.world;
    world.ledger().amend(number, |entry| entry.answered = Some(world.elapsed()));
    Ok(answer)
}

/// Writes the request down and decides what goes wrong with it.
fn begin(server: &ApiServer, link: &Link, ask: &Ask) -> (Number, Vec<Fault>) {
    let world = &server.0.world;
    let (path, method) = (ask.template(), ask.method.as_str());
    let seen = Seen { service: SERVICE, method, path: &path, client: link.name(), at: world.elapsed() };
    let faults = world.faults().decide(&seen);
    let number = world.ledger().begin(Entry {
        client: link.name().to_owned(),
        service: SERVICE.to_owned(),
        method: method.to_owned(),
        raw_path: ask.path.clone(),
        path,
        query_keys: ask.query.keys().cloned().collect(),
        sent_bytes: ask.body.len(),
        begun: world.elapsed(),
        faults: faults.iter().map(Fault::kind).collect(),
        ..Entry::default()
    });
    (number, faults)
}

async fn carry(
    server: ApiServer,
    link: Link,
    ask: Ask,
    number: Number,
    faults: Vec<Fault>,
    mut tell: oneshot::Sender<Told>,
) {
    let cut = link.cut_from(SERVICE);
    if cut == Some(Cut::Refused) || faults.contains(&Fault::Refused) {
        let _ = tell.send(Err(Broken::Connect));
        return;
    }
    sleep(server.travel()).await;
    if cut == Some(Cut::Silent) || faults.contains(&Fault::Hang) {
        return tell.closed().await;
    }
    if faults.contains(&Fault::LostBefore) {
        let _ = tell.send(Err(Broken::Reset));
        return;
    }
    let mut told_early = false;
    for fault in &faults {
        match fault {
            Fault::Slow { by_ms } => sleep(Duration::from_millis(*by_ms)).await,
            Fault::Late { by_ms } => {
                // The sender is told first, and what it sends next may overtake this one.
                let (gone, _) = oneshot::channel();
                let _ = std::mem::replace(&mut tell, gone).send(Err(Broken::Reset));
                told_early = true;
                sleep(Duration::from_millis(*by_ms)).await;
            }
            _ => {}
        }
    }
    server.0.world.tell(Moment::Before, number);
    let response = serve(&server, &link, &ask, &faults, number);
    server.0.world.tell(Moment::After, number);
    link.pass(Point::Effect);
    if told_early {
        return;
    }
    sleep(server.travel()).await;
    if faults.contains(&Fault::LostAfter) {
        let _ = tell.send(Err(Broken::Reset));
        return;
    }
    let deaf = matches!(link.cut_from(SERVICE), Some(Cut::Deaf | Cut::Silent));
    // Of a watch the head comes, and then nothing.
    let hangs = faults.contains(&Fault::HangAfter) && !ask.is_watch();
    if deaf || hangs {
        return tell.closed().await;
    }
    let _ = tell.send(Ok(response));
}

/// The effect, at this instant.
fn serve(server: &ApiServer, link: &Link, ask: &Ask, faults: &[Fault], number: Number) -> Response<Chunks> {
    let world = &server.0.world;
    let (mut said, mut stale, mut dies, mut disturbance) = (None, None, false, None);
    for fault in faults {
        match fault {
            Fault::ClockJump { by_ms } => world.jump(SignedDuration::from_millis(*by_ms)),
            Fault::Stale { by_ms } if ask.method == Method::GET => {
                stale = Some(Duration::from_millis(*by_ms));
            }
            Fault::TokenDeath => dies = true,
            Fault::HangAfter => disturbance = Some(Disturbance::Silence),
            Fault::Truncated => disturbance = Some(Disturbance::Break),
            // The server opens such a watch and says in it that the version is gone.
            Fault::Status { status: 410, .. } if ask.is_watch() => disturbance = Some(Disturbance::Expire),
            Fault::Status { status, message, retry_after, foreign } => {
                said = Some(Refusal::asked_for(*status, message.as_deref(), *retry_after, *foreign));
            }
            _ => {}
        }
    }
    let answer = server.with_state(|state| {
        if dies && let Some(token) = &ask.token {
            state.access.revoke(token);
        }
        let user = state.access.authenticate(ask, state.wall).ok();
        world.ledger().amend(number, |entry| entry.user = user.map(|user| user.name));
        said.map_or_else(|| state.answer(ask, stale), Answer::Refused)
    });
    let response = match answer {
        Answer::Watch(opening) => {
            let body = watch::body(server, link, number, opening, server.travel(), disturbance);
            head(200, "application/json", None, body)
        }
        Answer::Object(code, object) => {
            let (rows, text) = (rows(&object), object.to_string());
            world.ledger().amend(number, |entry| (entry.rows, entry.bytes) = (rows, text.len()));
            whole(code, "application/json", None, text, faults.contains(&Fault::Truncated))
        }
        Answer::Text(code, text) => whole(code, "text/plain; charset=utf-8", None, text.to_owned(), false),
        Answer::Refused(refusal) => {
            let plain = refusal.plain;
            let text = if plain { refusal.message.clone() } else { refusal.status().to_string() };
            let kind = if plain { "text/plain; charset=utf-8" } else { "application/json" };
            whole(refusal.code, kind, refusal.retry_after, text, faults.contains(&Fault::Truncated))
        }
    };
    world.ledger().amend(number, |entry| {
        entry.status = Some(response.status().as_u16());
        entry.effect = Some(world.elapsed());
    });
    response
}

/// Rows of an answer: the length of a list, 1 for an object.
fn rows(object: &Value) -> usize {
    object["items"].as_array().map_or(1, Vec::len)
}

fn whole(code: u16, kind: &str, retry_after: Option<u64>, text: String, truncated: bool) -> Response<Chunks> {
    let bytes = Bytes::from(text);
    let body = if truncated {
        let half = bytes.slice(..bytes.len() / 2);
        stream::iter([Ok(half), Err("connection reset by peer".into())]).boxed()
    } else {
        stream::iter([Ok(bytes)]).boxed()
    };
    head(code, kind, retry_after, body)
}

fn head(code: u16, kind: &str, retry_after: Option<u64>, body: Chunks) -> Response<Chunks> {
    let mut response = Response::new(body);
    *response.status_mut() =
        http::StatusCode::from_u16(code).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    if let Ok(kind) = kind.parse() {
        headers.insert(http::header::CONTENT_TYPE, kind);
    }
    if let Some(seconds) = retry_after {
        headers.insert(http::header::RETRY_AFTER, seconds.into());
    }
    response
}
