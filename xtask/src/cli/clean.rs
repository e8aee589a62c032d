//! `clean`.

use std::time::Duration;

use clap::Args;

use crate::exit_code::ExitCode;
use crate::install::Cache;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Only what was not used for so long: `12h`, `30d`, `4w`
    #[arg(long, value_name = "AGE", value_parser = age)]
    older_than: Option<Duration>,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let cache = Cache::open()?;
    let root = cache.root().display().to_string();
    let cleaned = cache.clean(arguments.older_than)?;
    println!("removed {} entries, {} MiB, from {root}", cleaned.entries, cleaned.bytes >> 20);
    Ok(ExitCode::AsExpected)
}

fn age(text: &str) -> Result<Duration, String> {
    let legal = "write a number and s, m, h, d or w: 30d";
    let (number, unit) = text.split_at(text.len().saturating_sub(1));
    let number: u64 = number.parse().map_err(|_| legal.to_owned())?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        "w" => 604_800,
        _ => return Err(legal.to_owned()),
    };
    number.checked_mul(seconds).map(Duration::from_secs).ok_or_else(|| legal.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("90s", Some(90))]
    #[case("2h", Some(7200))]
    #[case("30d", Some(2_592_000))]
    #[case("4", None)]
    #[case("", None)]
    #[case("d", None)]
    #[case("99999999999999999999d", None)]
    #[case("99999999999999999w", None)]
    fn ages(#[case] text: &str, #[case] seconds: Option<u64>) {
        assert_eq!(age(text).ok().map(|age| age.as_secs()), seconds);
    }
}
