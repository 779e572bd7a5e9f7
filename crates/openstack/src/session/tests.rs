//! Whole calls against the cloud in process: token, repetition, fence, paging, secrets.

mod calls;
mod discovery;
mod token;
