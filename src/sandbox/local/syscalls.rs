//! The seccomp filter of commands: a deny list of what an agent never needs and a kernel bug often does.
//!
//! Everything not named is allowed: builds and tests use a lot. What is denied answers `EPERM` (or `ENOSYS` where a C
//! library then falls back), so that programs report it instead of dying.

use std::collections::BTreeMap;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};

const DENIED: &[i64] = &[
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsmount,
    libc::SYS_fsconfig,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_setns,
    libc::SYS_unshare,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_open_by_handle_at,
    libc::SYS_name_to_handle_at,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_syslog,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_adjtimex,
    libc::SYS_clock_adjtime,
    libc::SYS_vhangup,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_lookup_dcookie,
    libc::SYS_nfsservctl,
];

/// Namespace flags of `clone`: none may be asked for.
const NAMESPACE_FLAGS: i32 = libc::CLONE_NEWNS
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWCGROUP;

/// Build the filters, to be applied in this order. `network` false also denies every socket but Unix ones, and these
/// can only be made in connected pairs: where there are no namespaces this is what keeps the network out, and the
/// services of the machine.
///
/// # Errors
/// The architecture is not one that the filter compiler knows.
pub(super) fn filters(network: bool) -> Result<Vec<BpfProgram>, String> {
    let arch = TargetArch::try_from(std::env::consts::ARCH).map_err(|error| error.to_string())?;
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
        DENIED.iter().map(|number| (*number, Vec::new())).collect();
    let rule = |argument: u8, length, operator, value| -> Result<SeccompRule, String> {
        let condition = SeccompCondition::new(argument, length, operator, value)
            .map_err(|error| error.to_string())?;
        SeccompRule::new(vec![condition]).map_err(|error| error.to_string())
    };
    let mut clone_rules = Vec::new();
    for bit in 0..32 {
        let flag = 1u64 << bit;
        if u64::from(NAMESPACE_FLAGS.cast_unsigned()) & flag != 0 {
            clone_rules.push(rule(
                0,
                SeccompCmpArgLen::Qword,
                SeccompCmpOp::MaskedEq(flag),
                flag,
            )?);
        }
    }
    rules.insert(libc::SYS_clone, clone_rules);
    // Typing into the controlling terminal of somebody else.
    rules.insert(
        libc::SYS_ioctl,
        vec![rule(
            1,
            SeccompCmpArgLen::Dword,
            SeccompCmpOp::Eq,
            libc::TIOCSTI,
        )?],
    );
    let mut sockets = Vec::new();
    if network {
        for family in [
            libc::AF_PACKET,
            libc::AF_VSOCK,
            libc::AF_ALG,
            libc::AF_KEY,
            libc::AF_BLUETOOTH,
        ] {
            sockets.push(rule(
                0,
                SeccompCmpArgLen::Dword,
                SeccompCmpOp::Eq,
                u64::from(family.cast_unsigned()),
            )?);
        }
    } else {
        sockets.push(rule(
            0,
            SeccompCmpArgLen::Dword,
            SeccompCmpOp::Ne,
            u64::from(libc::AF_UNIX.cast_unsigned()),
        )?);
        // Landlock does not rule over sockets that have a name among the files, such as a container daemon's. So
        // nothing connects, and there are none of the kind that can be addressed without connecting.
        rules.insert(libc::SYS_connect, Vec::new());
        let datagram = || {
            let kind = u64::from(libc::SOCK_DGRAM.cast_unsigned());
            rule(
                1,
                SeccompCmpArgLen::Dword,
                SeccompCmpOp::MaskedEq(0xf),
                kind,
            )
        };
        sockets.push(datagram()?);
        rules.insert(libc::SYS_socketpair, vec![datagram()?]);
        // Without a namespace for them these would outlive the sandbox.
        for call in [libc::SYS_shmget, libc::SYS_semget, libc::SYS_msgget] {
            rules.insert(call, Vec::new());
        }
    }
    rules.insert(libc::SYS_socket, sockets);
    let compile = |rules, answer: i32| -> Result<BpfProgram, String> {
        SeccompFilter::new(
            rules,
            SeccompAction::Allow,
            SeccompAction::Errno(answer.cast_unsigned()),
            arch,
        )
        .and_then(TryInto::try_into)
        .map_err(|error| error.to_string())
    };
    Ok(vec![
        second_numbers(),
        compile(rules, libc::EPERM)?,
        // Here `ENOSYS`. `clone3` passes its flags behind a pointer, which a filter cannot follow; C libraries fall back to `clone`.
        compile(
            BTreeMap::from([
                (libc::SYS_clone3, Vec::new()),
                // Memory that no process need map: nothing would count it. Programs fall back to a file.
                (libc::SYS_memfd_create, Vec::new()),
                (libc::SYS_memfd_secret, Vec::new()),
            ]),
            libc::ENOSYS,
        )?,
    ])
}

/// Deny `x86_64` kernels' second set of numbers (the x32 interface), by which every call of the list could be made
/// past it.
fn second_numbers() -> BpfProgram {
    const LOAD_NUMBER: u16 = 0x20;
    const JUMP_IF_AT_LEAST: u16 = 0x35;
    const RETURN: u16 = 0x06;
    let step = |code, jt, k| seccompiler::sock_filter { code, jt, jf: 0, k };
    let refuse = 0x0005_0000 | libc::ENOSYS.cast_unsigned();
    let first = if cfg!(target_arch = "x86_64") {
        0x4000_0000
    } else {
        u32::MAX
    };
    vec![
        step(LOAD_NUMBER, 0, 0),
        step(JUMP_IF_AT_LEAST, 1, first),
        step(RETURN, 0, 0x7fff_0000),
        step(RETURN, 0, refuse),
    ]
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_filters_compile_on_this_architecture() {
        for network in [false, true] {
            let programs = super::filters(network).unwrap();
            assert_eq!(programs.len(), 3);
            assert!(programs.iter().all(|program| !program.is_empty()));
        }
    }
}
