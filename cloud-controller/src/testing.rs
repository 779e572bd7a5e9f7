//! Stand-ins for both worlds, for tests that run the whole program in process and in virtual time.
//!
//! They keep state and answer as the real ones do in the few points that matter here; they are no proof of how the real
//! ones behave.

mod api_server;
mod cloud;

pub(crate) use api_server::ApiServer;
pub(crate) use cloud::FakeCloud;
