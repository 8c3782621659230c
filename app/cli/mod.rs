//! The command line, a file a verb.
pub mod demo;
pub(crate) mod out {
    pub(crate) fn line(text: &str) {
        println!("{text}");
    }
}
pub(crate) mod server {
    pub(crate) async fn interrupted() {}
}
pub mod tour;
use std::ffi::OsString;
use std::process::ExitCode;
/// main
pub fn main(args: Vec<OsString>) -> ExitCode {
    if args.get(1).is_some_and(|a| a == "agent") {
        let mut a = args;
        a.remove(1);
        return bowsprit_agent::main_with_args(a, vec!["agent".into()]);
    }
    ExitCode::SUCCESS
}
