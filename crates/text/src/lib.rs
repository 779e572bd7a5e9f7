//! Text for people: what came from elsewhere made safe to show, and errors with everything behind them.
//!
//! All crates show foreign text, and all do it through here.

mod chain;
mod printable;

pub use chain::Chain;
pub use printable::printable;
