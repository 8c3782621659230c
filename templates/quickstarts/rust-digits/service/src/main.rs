//! An HTTP API around the digits model.
//!
//! `http.rs` speaks HTTP, `model.rs` loads the model and answers, `input.rs` reads what a request may look like,
//! `openapi.json` describes it all. Only `model.rs` and `input.rs` know the model: change those for another one.

mod check;
mod http;
mod input;
mod model;

use model::Model;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let ended =
        match arguments.as_slice() {
            [] => Model::load().and_then(|model| http::serve(model, &address())),
            [word] if word == "--check" => Model::load().and_then(|model| check::check(model.as_ref())),
            _ => Err("serve [--check]: without it listens on HOST:PORT, with it asks the model its samples"
                .to_owned()),
        };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

fn address() -> String {
    let variable = |name: &str, usual: &str| std::env::var(name).unwrap_or_else(|_| usual.to_owned());
    format!("{}:{}", variable("HOST", "127.0.0.1"), variable("PORT", "8080"))
}
