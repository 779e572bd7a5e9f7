//! A request's way: over the network, past the token check, into its service, and back.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response};
use jiff::SignedDuration;
use serde_json::Value;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};

use super::ask::{Ask, Reply};
use super::call::Call;
use super::endpoints::Service;
use super::keystone::{self, Who};
use super::respond::{respond, rows, shuffle};
use super::state::State;
use super::{Cloud, neutron, nova, octavia};
use crate::fault::{Fault, Seen};
use crate::ledger::{Entry, Number};
use crate::link::{Broken, Cut, Link, Point};
use crate::world::Moment;

type Answer = Result<Response<Bytes>, Broken>;

/// States of before, for reads that are stale. Kept only while a fault script asks for it.
pub(crate) type History = VecDeque<(Instant, State)>;

pub(crate) async fn send(cloud: &Cloud, link: &Link, request: Request<Bytes>) -> Answer {
    let authority = request.uri().authority().map(http::uri::Authority::as_str).unwrap_or_default();
    let Some(service) = cloud.0.options.endpoints.at(authority) else { return Err(Broken::Connect) };
    link.pass(Point::Leaves);
    if link.is_dead() {
        return Err(Broken::Connect);
    }
    let call = Call::read(service, request);
    let (number, faults) = begin(cloud, link, &call);
    let (tell, told) = oneshot::channel();
    // A task of its own, so that a request goes on when its sender stops waiting.
    let way = carry(cloud.clone(), link.clone(), call, number, faults, tell);
    tokio::spawn(way);
    let answer = told.await.unwrap_or(Err(Broken::Reset))?;
    link.pass(Point::Arrives);
    if link.is_dead() {
        return Err(Broken::Reset);
    }
    cloud.ledger().amend(number, |entry| entry.answered = Some(cloud.0.world.elapsed()));
    Ok(answer)
}

/// Writes the request down and decides what goes wrong with it.
fn begin(cloud: &Cloud, link: &Link, call: &Call) -> (Number, Vec<Fault>) {
    let world = &cloud.0.world;
    let path = call.template();
    let seen = Seen {
        service: call.service.name(),
        method: call.method.as_str(),
        path: &path,
        client: link.name(),
        at: world.elapsed(),
    };
    let faults = world.faults().decide(&seen);
    let mut query_keys: Vec<String> = call.query.iter().map(|(key, _)| key.clone()).collect();
    query_keys.sort();
    query_keys.dedup();
    let number = world.ledger().begin(Entry {
        client: link.name().to_owned(),
        service: call.service.name().to_owned(),
        method: call.method.to_string(),
        raw_path: format!("/{}", call.segments.join("/")),
        path,
        query_keys,
        microversion: call.version_text(),
        sent_bytes: call.body.len(),
        begun: world.elapsed(),
        faults: faults.iter().map(Fault::kind).collect(),
        ..Entry::default()
    });
    (number, faults)
}

async fn carry(
    cloud: Cloud,
    link: Link,
    mut call: Call,
    number: Number,
    faults: Vec<Fault>,
    mut tell: oneshot::Sender<Answer>,
) {
    let travel = || {
        let mut dice = cloud.0.dice.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        cloud.0.options.latency.draw(&mut dice)
    };
    let cut = link.cut_from(call.service.name());
    if cut == Some(Cut::Refused) || faults.contains(&Fault::Refused) {
        let _ = tell.send(Err(Broken::Connect));
        return;
    }
    sleep(travel()).await;
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
            Fault::ShortPage { rows } if call.method == Method::GET => call.limit_page(*rows),
            _ => {}
        }
    }
    cloud.0.world.tell(Moment::Before, number);
    let reply = serve(&cloud, &call, &faults, number);
    cloud.0.world.tell(Moment::After, number);
    link.pass(Point::Effect);
    if told_early {
        return;
    }
    sleep(travel()).await;
    if faults.contains(&Fault::LostAfter) {
        let _ = tell.send(Err(Broken::Reset));
        return;
    }
    let deaf = matches!(link.cut_from(call.service.name()), Some(Cut::Deaf | Cut::Silent));
    if deaf || faults.contains(&Fault::HangAfter) {
        return tell.closed().await;
    }
    let _ = tell.send(Ok(reply));
}

/// The effect, at this instant.
fn serve(cloud: &Cloud, call: &Call, faults: &[Fault], number: Number) -> Response<Bytes> {
    let world = &cloud.0.world;
    for fault in faults {
        if let Fault::ClockJump { by_ms } = fault {
            world.jump(SignedDuration::from_millis(*by_ms));
        }
    }
    let mut state = cloud.0.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    remember(cloud, &state, call.method != Method::GET);
    let past = faults.iter().find_map(|fault| match fault {
        Fault::Stale { by_ms } if call.method == Method::GET => {
            Some(past(cloud, &state, Duration::from_millis(*by_ms)))
        }
        _ => None,
    });
    state.advance(Instant::now());
    if faults.contains(&Fault::TokenDeath)
        && let Some(token) = call.header("x-auth-token")
    {
        state.keystone.revoke(token);
    }
    let said = faults.iter().find_map(|fault| match fault {
        Fault::Status { status, message, retry_after, foreign } => {
            Some((*status, message.as_deref(), *retry_after, *foreign))
        }
        _ => None,
    });
    let (user, mut reply, foreign) = if let Some((status, message, retry_after, foreign)) = said {
        let reply = error(call.service, status, message.unwrap_or(usual(call.service, status)));
        let reply = match retry_after {
            Some(seconds) => reply.header("retry-after", seconds.to_string()),
            None => reply,
        };
        (None, reply, foreign)
    } else {
        let (user, reply) = answer(&mut state, past, cloud, call, faults.contains(&Fault::Fail));
        (user, reply, false)
    };
    if faults.contains(&Fault::Shuffled) {
        shuffle(&mut reply.body, &mut state.rng);
    }
    let request_id = format!("req-{}", state.ids.uuid());
    let rows = rows(&reply.body);
    let truncated = faults.contains(&Fault::Truncated);
    let response = respond(reply, call.service, &request_id, state.wall, foreign, truncated);
    world.ledger().amend(number, |entry| {
        entry.user = user;
        entry.status = Some(response.status().as_u16());
        entry.rows = rows;
        entry.bytes = response.body().len();
        entry.effect = Some(world.elapsed());
    });
    response
}

/// Lets the caller in, or not, and asks the service.
fn answer(
    state: &mut State,
    past: Option<State>,
    cloud: &Cloud,
    call: &Call,
    fails: bool,
) -> (Option<String>, Reply) {
    let service = call.service;
    let path: Vec<&str> = call.segments.iter().map(String::as_str).collect();
    let token = call.header("x-auth-token");
    let known = token.and_then(|token| state.keystone.who(token, state.wall));
    // A request that an application credential may not send is told like a bad token.
    let who = match known.filter(|who| who.may_call(service, &call.method, &path)) {
        Some(who) => who,
        None if is_open(service, &call.method, &path) => Who::default(),
        None => {
            let refused = keystone::unauthorized(&cloud.0.options.endpoints.keystone);
            // Octavia checks tokens before it gives ids.
            return (None, if service == Service::Octavia { refused.without_id() } else { refused });
        }
    };
    let user = (!who.user_name.is_empty()).then(|| who.user_name.clone());
    let body = if call.body.is_empty() {
        Value::Null
    } else {
        match serde_json::from_slice(&call.body) {
            Ok(body) => body,
            Err(_) => return (user, error(service, 400, "Malformed request body")),
        }
    };
    let ask = Ask {
        method: &call.method,
        path,
        query: call.query.clone(),
        microversion: call.microversion(),
        headers: &call.headers,
        body,
        who: &who,
        base: cloud.0.options.endpoints.of(service),
        fails,
    };
    let mut past = past;
    // Told from what was; whatever that changes is forgotten.
    let state = past.as_mut().unwrap_or(state);
    let reply = match service {
        Service::Keystone => keystone::answer(state, &ask),
        Service::Nova => nova::answer(state, &ask),
        Service::Neutron => neutron::answer(state, &ask),
        Service::Octavia => octavia::answer(state, &ask),
    };
    (user, reply)
}

/// Whether a request needs no token.
fn is_open(service: Service, method: &Method, path: &[&str]) -> bool {
    let versions = path.is_empty() && method == Method::GET;
    versions || (service == Service::Keystone && keystone::is_open(method, path))
}

/// What a service usually says with a status: clients tell the meanings of 409 apart by the words.
fn usual(service: Service, status: u16) -> &'static str {
    match (service, status) {
        (Service::Octavia, 409) => {
            "Load Balancer 00000000-0000-4000-8000-000000000000 is immutable and cannot be updated."
        }
        (Service::Octavia, 404) => "Load Balancer 00000000-0000-4000-8000-000000000000 not found.",
        (_, 401) => "The request you have made requires authentication.",
        (_, 403) => "Policy does not allow this request to be performed.",
        (_, 404) => "The resource could not be found.",
        (_, 429) => "This request was rate-limited.",
        (_, 503) => "The server is currently unavailable. Please try again at a later time.",
        _ => "The server has either erred or is incapable of performing the requested operation.",
    }
}

/// An error in a service's own form.
fn error(service: Service, status: u16, message: &str) -> Reply {
    match service {
        Service::Keystone => keystone::error(status, message),
        Service::Nova => nova::error(status, message),
        Service::Neutron => neutron::error(status, "HTTPError", message),
        Service::Octavia => octavia::error(status, message),
    }
}

/// Keeps a copy of the state before it changes, if a fault may want it.
fn remember(cloud: &Cloud, state: &State, writes: bool) {
    let now = Instant::now();
    let Some(stalest) = cloud.faults().stalest() else { return };
    let mut history = cloud.0.history.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if writes || state.next_due().is_some_and(|due| due <= now) {
        history.push_back((now, state.clone()));
    }
    while history.front().is_some_and(|(at, _)| *at + stalest < now) {
        history.pop_front();
    }
}

/// The state as it was `age` ago.
fn past(cloud: &Cloud, state: &State, age: Duration) -> State {
    let then = Instant::now().checked_sub(age).unwrap_or(state.now);
    let history = cloud.0.history.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    // Each copy was made just before a change: the first one since then still shows it.
    let mut past =
        history.iter().find(|(at, _)| *at > then).map_or_else(|| state.clone(), |(_, copy)| copy.clone());
    past.advance(then);
    past
}
