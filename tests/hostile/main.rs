//! Attacks on the sandboxes and on the grader: one list, run against every kind of sandbox.
//!
//! | attacks | local top tier, as root and as an ordinary user | Docker | lowest local tier (Landlock) |
//! |---|---|---|---|
//! | reach (`reach.py`): network, files outside, system calls, descriptors | held | held, but for [`CONTAINER`] | held, but for [`LANDLOCK`] |
//! | [`exhaust`]: output, processes, memory in every disguise, disk, inodes | held | held, but for what is listed below | not run: see the report's `processes` |
//! | [`outlive`]: daemons, killed and stopped keepers | held | held | held |
//! | [`plant`]: repositories, links, pipes, names, modes, races, transfers | held | held, but for deleted objects | not run: the same code as the top tier's |
//! | [`deceive`]: patches that fix nothing | held, but for `deceive::BELIEVED` | not run: the same code | not run: the same code |
//!
//! What cannot be held, and what is done about it:
//!
//! | where | what | why |
//! |---|---|---|
//! | grader | code under test that makes the runner pass everything, or prints a whole honest log and leaves | it runs in the tests' own process, and its log is an honest log: read the patch |
//! | local | memory of the kernel on a program's behalf (socket and pipe buffers, page tables) | counted by control groups only |
//! | local | a burst of memory between two looks, 100 ms apart; of disk, 300 ms | watched from outside; one process and one file are held by the kernel |
//! | local | the mount table names folders of the host | the kernel shows it to all; none of them can be reached |
//! | all | folders called `.git` below the top are not snapshotted; what is there stays through a restore | said by the restore |
//! | Docker | a program that takes another command's mark outlives its command until the restore or the stop | same user, same container |
//! | Docker | files at paths too long to name, and empty files, are not counted against the disk | the daemon counts bytes, by path |
//! | Docker | vsock sockets and `io_uring`, with older daemons | the daemon's default filter |
//! | Docker | deleted git objects do not come back | they are not fetched; said by the restore |
//! | Docker | an agent that replaces the container's shell can end its own sandbox | the rollout ends as *error (sandbox)* |
//! | Landlock | modes and times of files that the commands' user owns can be changed; started by root, that user is one who owns no more than workspaces | Landlock does not cover them; said in the report |
//! | Landlock | with the network allowed, named sockets of the machine can be reached, a container daemon's among them | a filter cannot tell families apart once connecting is allowed |
//!
//! Every batch runs under an outer guard ([`place`]): control groups for memory and processes where root can make them
//! (version 1), else a limit on the test program's own address space. `SPOTTER_HOSTILE_BYTES=10000000000` prints the
//! whole 10 GB where continuous integration prints one.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::string_slice,
    clippy::print_stdout,
    clippy::panic,
    clippy::similar_names,
    reason = "a test that cannot go on should say where; what the attacks said is read when one succeeds"
)]
#![cfg(target_os = "linux")]

mod deceive;
mod exhaust;
mod outlive;
mod place;
mod plant;
mod reach;

use place::{Where, again_as_an_ordinary_user};

/// What Landlock does not cover, of files that the user owns.
const LANDLOCK: &[&str] = &["change mode of host's file", "change times of host's file"];

/// A container's own file system and processes, and what the daemon's default filter lets through (newer daemons less).
const CONTAINER: &[&str] = &[
    "vsock",
    "/etc/shadow",
    "root of init",
    "environment of init",
    "memory of init",
    "write /etc",
    "write /usr",
    "make a file in /usr",
    "change mode of a device",
    "ptrace",
    "io_uring",
    "type into a terminal",
];

#[tokio::test(flavor = "multi_thread")]
async fn nothing_outside_the_top_tier_is_reached() {
    assert_eq!(reach::probe(Where::Top).await, [""; 0]);
}

#[test]
fn nothing_outside_the_top_tier_is_reached_as_an_ordinary_user() {
    again_as_an_ordinary_user("nothing_outside_the_top_tier_is_reached");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lowest_tier_is_left_in_these_ways_only() {
    // Started by root, the commands' user owns none.
    let root = nix::unistd::geteuid().is_root();
    let known = if root { &[] } else { LANDLOCK };
    assert_eq!(reach::probe(Where::Landlock).await, known);
}

#[test]
fn the_lowest_tier_is_left_in_these_ways_only_as_an_ordinary_user() {
    again_as_an_ordinary_user("the_lowest_tier_is_left_in_these_ways_only");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Docker daemon and the test image"]
async fn nothing_outside_a_container_is_reached() {
    let mut reached = reach::probe(Where::Docker).await;
    reached.retain(|name| !CONTAINER.contains(&name.as_str()));
    assert_eq!(reached, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_top_tier_may_use_up_is_bounded() {
    exhaust::all(Where::Top).await;
}

#[test]
fn what_the_top_tier_may_use_up_is_bounded_as_an_ordinary_user() {
    again_as_an_ordinary_user("what_the_top_tier_may_use_up_is_bounded");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Docker daemon and the test image"]
async fn what_a_container_may_use_up_is_bounded() {
    exhaust::all(Where::Docker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_outlives_its_time_in_the_top_tier() {
    outlive::all(Where::Top).await;
}

#[test]
fn nothing_outlives_its_time_in_the_top_tier_as_an_ordinary_user() {
    again_as_an_ordinary_user("nothing_outlives_its_time_in_the_top_tier");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_outlives_its_time_in_the_lowest_tier() {
    outlive::all(Where::Landlock).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Docker daemon and the test image"]
async fn nothing_outlives_its_time_in_a_container() {
    outlive::all(Where::Docker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_top_tier_restores_exactly_whatever_was_planted() {
    plant::all(Where::Top).await;
}

#[test]
fn the_top_tier_restores_exactly_whatever_was_planted_as_an_ordinary_user() {
    again_as_an_ordinary_user("the_top_tier_restores_exactly_whatever_was_planted");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Docker daemon and the test image"]
async fn a_container_restores_exactly_whatever_was_planted() {
    plant::all(Where::Docker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_patch_that_fixes_nothing_is_believed_in_these_ways_only() {
    deceive::all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fix_with_oddities_is_still_a_fix() {
    deceive::honest().await;
}
