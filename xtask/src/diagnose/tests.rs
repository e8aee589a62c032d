//! How rules are weighed against each other, with a handful of rules made for it.

use std::path::PathBuf;

use rstest::rstest;

use super::{Answer, Case, Context, Fact, Log, Rulebook, prove};
use crate::toml_file::Source;

/// A rule with what every rule must have; `more` stands before its log.
fn rule(id: &str, pattern: &str, more: &str, log: &str) -> String {
    format!(
        "[[rule]]\nid = \"{id}\"\nclass = \"criu-bug\"\nheadline = \"{id}\"\nconfidence = \"high\"\npattern = '{pattern}'\n\
         cause = \"c\"\nadvice = [\"a\"]\nreferences = [\"https://example.org\"]\n{more}\n\
         [[rule.matches]]\nsource = \"made for the test\"\ntext = '''\n{log}\n'''\n"
    )
}

fn book(rules: &[String]) -> Result<Rulebook, String> {
    let source = Source { path: PathBuf::from("knowledge/made.toml"), text: rules.concat() };
    Rulebook::of(&[source]).map_err(|error| error.to_string())
}

fn sample() -> Rulebook {
    book(&[
        rule("socket", "half of a socket", "", "Error (a.c:1): half of a socket"),
        rule("late", "too late", "", "Error (a.c:1): too late"),
        rule("symptom", "Timeout", "role = \"symptom\"", "Error (a.c:1): Timeout"),
        rule("cascade", "Dumping FAILED", "role = \"cascade\"", "Error (a.c:1): Dumping FAILED"),
        rule("harmless", "invalid option -- w", "role = \"harmless\"", "iptables: invalid option -- w"),
        rule(
            "old",
            "killed by signal 11",
            "needs = [\"criu\"]\nwhen = { criu = \"<3.17\", glibc = \">=2.35\" }",
            "x",
        ),
        rule("silent", "VmFlags: dp", "silent = true\nlevel = \"any\"", "VmFlags: dp"),
        rule("deep", "deep inside", "level = \"any\"", "deep inside"),
        rule("alone", "seen twice", "with = ['and this']", "seen twice\nand this"),
        rule("never", "seen once", "without = ['but that']", "seen once"),
    ])
    .unwrap()
}

fn explain(text: &str, context: &Context) -> Answer {
    sample().explain(&Case::of_text("-", text), context)
}

/// `first, second`, each with its confidence where it is not high, and what it assumes.
fn said(answer: &Answer) -> String {
    let said = answer.diagnoses.iter().map(|it| {
        let assuming = it.assuming.iter().map(|it| format!(" if {it}")).collect::<String>();
        format!("{} {}{assuming}", it.rule, it.confidence)
    });
    said.collect::<Vec<_>>().join(", ")
}

const SOCKET: &str = "(00.100000) Error (sk.c:1): half of a socket\n";
const LATE: &str = "(00.200000) Error (a.c:1): too late\n";
const FAILED: &str = "(00.300000) Error (cr-dump.c:1): Dumping FAILED.\n";
const FINISHED: &str = "(00.300000) Dumping finished successfully\n";
const KILLED: &str = "(00.100000) Error (r.c:1): 12 killed by signal 11\n";

#[rstest]
#[case::the_first_error(format!("{SOCKET}{LATE}{FAILED}"), "socket high")]
#[case::a_cause_before_a_symptom(format!("(00.000001) Error (a.c:1): Timeout\n{LATE}"), "late high")]
#[case::a_symptom_is_better_than_nothing("(00.000001) Error (a.c:1): Timeout\n".into(), "symptom high")]
#[case::a_cascade_explains_nothing(FAILED.into(), "")]
#[case::harmless("iptables: invalid option -- w\n".into(), "")]
#[case::it_finished(format!("{SOCKET}{FINISHED}"), "finished medium")]
#[case::it_finished_and_somebody_complains(format!("{FINISHED}Error: no such container\n"), "")]
#[case::it_finished_and_then_it_did_not(format!("{FINISHED}(00.350000) Error (sk.c:1): half of a socket\n"), "socket high")]
#[case::two_runs_on_one_clock(format!("(00.000001) a\n{FINISHED}$ criu restore\n(00.310000) Error (a.c:1): too late\n"), "late high")]
#[case::it_finished_and_was_denied(format!("{FINISHED}Could not restore: permission denied\n"), "")]
#[case::colours("\u{1b}[31mError\u{1b}[0m (sk.c:1): half of a \u{1b}[1msocket\u{1b}[0m\n".into(), "socket high")]
#[case::an_absurd_clock("(18446744073709551615.999999) Error (sk.c:1): half of a socket\n".into(), "socket high")]
#[case::hearsay("I read of half of a socket.\n(00.000001) Error (x.c:1): never met\n".into(), "socket low")]
#[case::silent(format!("(00.1) x\n(00.100000) VmFlags: dp\n{FINISHED}"), "silent high")]
#[case::an_error_before_a_warning(format!("(00.000001) Warn  (sk.c:1): half of a socket\n{LATE}"), "late high")]
#[case::its_own_log_before_an_engines("engine: too late\n".to_owned() + SOCKET, "socket high")]
#[case::not_among_what_it_only_tells("(00.000001) half of a socket\n".into(), "")]
#[case::but_where_the_rule_says_so("(00.000001) deep inside\n".into(), "deep high")]
#[case::two_runs(format!("{SOCKET}{FAILED}(00.000001) Version: 4.0 (gitid 0)\n{LATE}"), "socket high, late high")]
#[case::with("seen twice\n".into(), "")]
#[case::with_all("seen twice\nand this\n".into(), "alone high")]
#[case::without("seen once\n".into(), "never high")]
#[case::without_any("seen once\nbut that\n".into(), "")]
fn what_is_said(#[case] text: String, #[case] expected: &str) {
    assert_eq!(said(&explain(&text, &Context::default())), expected, "{text}");
}

#[rstest]
#[case::nobody_knows(&[], "")]
#[case::one_is_open(&[(Fact::Criu, "3.16.1")], "old medium if glibc >=2.35")]
#[case::both(&[(Fact::Criu, "3.16.1"), (Fact::Glibc, "2.36")], "old high")]
#[case::contradicted(&[(Fact::Criu, "3.16.1"), (Fact::Glibc, "2.31")], "")]
#[case::too_new(&[(Fact::Criu, "4.1"), (Fact::Glibc, "2.36")], "")]
fn versions_decide(#[case] known: &[(Fact, &str)], #[case] expected: &str) {
    let context = known.iter().fold(Context::default(), |context, (fact, value)| context.with(*fact, value));
    assert_eq!(said(&explain(KILLED, &context)), expected);
}

#[test]
fn versions_are_read_out_of_the_log() {
    let head = "(00.000000) Version: 3.16.1 (gitid 0)\n";
    let answer = |more: &str| said(&explain(&format!("{head}{more}{KILLED}"), &Context::default()));
    assert_eq!(answer(""), "old medium if glibc >=2.35");
    assert_eq!(answer("ldd (Ubuntu GLIBC 2.35-0ubuntu3.1) 2.35\n"), "old high");
    assert_eq!(answer("ldd (Ubuntu GLIBC 2.31-0ubuntu9) 2.31\n"), "");
    // Prose is no proof against a rule, and none for what must be known.
    assert_eq!(answer("it worked with glibc 2.31 before\n"), "old medium if glibc >=2.35");
    assert_eq!(said(&explain(&format!("CRIU 4.0 is fine\n{KILLED}"), &Context::default())), "");
}

#[test]
fn each_run_is_held_against_its_own_versions() {
    let good = format!("(00.000000) Version: 4.2 (gitid 0)\n{FINISHED}");
    let bad = format!("(00.000000) Version: 3.16.1 (gitid 0)\n{KILLED}");
    assert_eq!(said(&explain(&(good + &bad), &Context::default())), "old medium if glibc >=2.35");
}

#[test]
fn the_first_error_is_shown_where_nobody_knows() {
    let text = "(00.000001) a\n(00.000002) Error (a.c:1): never met\n(00.000003) b\n(00.000004) Error (a.c:1): Dumping FAILED.\n";
    let answer = explain(text, &Context::default());
    assert!(answer.diagnoses.is_empty());
    assert_eq!(answer.first_error[0].line, 2);
    assert_eq!(answer.first_error.len(), 4);
}

#[test]
fn several_logs_are_one_case() {
    let logs = [("docker.out", "too late\n"), ("restore.log", SOCKET)];
    let logs = logs.map(|(name, text)| Log { name: name.into(), text: text.into() });
    let answer = sample().explain(&Case::new(logs.into()), &Context::default());
    assert_eq!(said(&answer), "socket high");
    assert_eq!(
        (answer.diagnoses[0].evidence[0].file.as_str(), answer.diagnoses[0].evidence[0].line),
        ("restore.log", 1)
    );
}

#[rstest]
#[case::no_log(rule("a", "x", "", "y"), "its pattern matches no line of its own log")]
#[case::shadowed(rule("a", "x", "", "x") + &rule("b", "y x", "", "y x"), "is shadowed by `a`")]
#[case::twins(rule("a", "x", "", "x") + &rule("b", "x", "", "x"), "nothing tells them apart")]
#[case::spares(
    rule("a", "x", "", "x") + "[[rule.spares]]\nsource = \"s\"\nbecause = \"b\"\ntext = \"an x too\"\n",
    "explains a log that it must spare"
)]
#[case::unknown(
    rule("a", "x", "", "x").replace("text =", "alongside = [\"ghost\"]\ntext ="),
    "there is no such rule"
)]
fn a_wrong_rule_is_found(#[case] rules: String, #[case] expected: &str) {
    let findings: Vec<String> = prove(&book(&[rules]).unwrap()).iter().map(ToString::to_string).collect();
    assert!(findings.iter().any(|finding| finding.contains(expected)), "{findings:?}");
}

#[rstest]
#[case::class(rule("a", "x", "", "x").replace("criu-bug", "bug"), "no class `bug`; there are rseq")]
#[case::pattern(rule("a", "x(", "", "x"), "unclosed group")]
#[case::range(rule("a", "x", "when = { criu = \"3.17\" }", "x"), "`3.17` is no range of versions")]
#[case::needs(rule("a", "x", "needs = [\"criu\"]", "x"), "`a` needs CRIU and says nothing of it")]
#[case::id(rule("A b", "x", "", "x"), "`A b` is no id")]
#[case::twice(rule("a", "x", "", "x") + &rule("a", "y", "", "y"), "a second rule `a`")]
#[case::key(rule("a", "x", "whenn = {}", "x"), "unknown field `whenn`")]
fn a_rule_that_cannot_be_read_is_refused(#[case] text: String, #[case] expected: &str) {
    let error = book(&[text]).err().unwrap();
    assert!(error.contains(expected) && error.contains("knowledge/made.toml"), "{error}");
}
