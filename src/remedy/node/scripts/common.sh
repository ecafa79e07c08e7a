# What all changes of a machine share. POSIX sh; read whole before anything of it is done.
#
# Exit codes: 0 done; 64 wrong words; 75 somebody else is at it; 76 not as it was when the change was
# planned; 77 not possible here; 78 refused by the kernel. The text that is printed says more. It is
# printed at the end only, and kept in STATE/OPERATION, so that a lost session can ask for it.
set -u
umask 077
LC_ALL=C
export LC_ALL

# How long a change lasts that nobody keeps, seconds.
lasts=900

usage() {
    printf 'sagetop: wrong words: %s\n' "$1" >&2
    exit 64
}

# Each word is checked again here: who may run this as root may not do more with it than it is for.
check_word() {
    case $1 in '' | *[!a-z0-9-]* | -*) usage "$2" ;; esac
    [ "${#1}" -le 80 ] || usage "$2"
}

check_number() {
    case $1 in '' | *[!0-9]*) usage "$2" ;; esac
    [ "${#1}" -le 15 ] || usage "$2"
}

check_interface() {
    case $1 in '' | -* | .* | *[!A-Za-z0-9_.-]*) usage interface ;; esac
    [ "${#1}" -le 15 ] || usage interface
}

check_container() {
    case $1 in *[!0-9a-f]*) usage container ;; esac
    [ "${#1}" -eq 64 ] || usage container
}

check_place() {
    check_container "$container"
    case $uid in '' | -* | *[!A-Za-z0-9-]*) usage uid ;; esac
    case $cgroup in *..* | *[!A-Za-z0-9_.:/@-]*) usage cgroup ;; /*) ;; *) usage cgroup ;; esac
}

# Process numbers are used again, container ids are not: the group of processes must bear both ids.
check_seat() {
    [ -f "$root/sys/fs/cgroup/cgroup.controllers" ] || finish 77 'this machine has no cgroup v2'
    case $cgroup in *"$container"*) ;; *) finish 76 "the processes are not those of container $container" ;; esac
    low=$(printf '%s' "$uid" | tr '-' '_')
    case $cgroup in *"$uid"* | *"$low"*) ;; *) finish 76 "the processes are not those of pod $uid" ;; esac
    [ -d "$seat" ] || finish 76 'the container is gone'
}

need() {
    for tool in "$@"; do
        command -v "$tool" >/dev/null 2>&1 || finish 77 "there is no $tool"
    done
}

# One change at a time. What was done under this name before is not done again: its result is printed.
begin() {
    check_word "$op" operation
    mkdir -p "$state" 2>/dev/null || { printf '%s\n' "cannot make $state"; exit 77; }
    command -v flock >/dev/null 2>&1 || { printf '%s\n' 'there is no flock'; exit 77; }
    exec 9<"$state" || exit 77
    flock -w 5 9 || { printf '%s\n' 'another change of this machine is under way'; exit 75; }
    [ ! -f "$state/$op" ] || replay
    printf 'begun\n' >"$state/$op.begun" || { printf '%s\n' "cannot write to $state"; exit 77; }
}

replay() {
    {
        read -r code
        cat
    } <"$state/$op"
    exit "$code"
}

# The end of every way from here on: the result appears whole or not at all, then it is printed.
finish() {
    printf '%s\n%s\n' "$1" "$2" >"$state/$op.part" && mv "$state/$op.part" "$state/$op"
    printf '%s\n' "$2"
    exit "$1"
}

# The inverse is scheduled before the change is made: whatever happens to this session, the change goes
# away unless it is kept. The words are those of the inverse's mechanism.
schedule() {
    need systemd-run systemctl
    text >"$state/$op.sh" || finish 77 "cannot write to $state"
    said=$(systemd-run --quiet "--on-active=$lasts" "--unit=sagetop-revert-$op" \
        /bin/sh "$state/$op.sh" "${root:-/}" "$@" 2>&1) ||
        finish 77 "its inverse could not be scheduled: $said"
}

# The scheduled inverse of this operation is not needed any more.
unschedule() {
    systemctl stop "sagetop-revert-$1.timer" >/dev/null 2>&1
    rm -f "$state/$1.sh"
}

# The kernel's files take a line in one write, and say no by its failure.
put() {
    said=$(printf '%s\n' "$2" | tee "$1" 2>&1 >/dev/null)
}

# What is done with a change that was made: keep it, or tell what came of it.
operation() {
    verb=$1
    shift
    case $verb in
    keep)
        [ $# -eq 2 ] || usage keep
        op=$1 of=$2
        check_word "$of" operation
        begin
        need systemctl
        [ ! -f "$state/revert-$of" ] || finish 76 'it has taken itself back'
        if systemctl is-active "sagetop-revert-$of.timer" >/dev/null 2>&1; then
            said=$(systemctl stop "sagetop-revert-$of.timer" 2>&1) || finish 77 "$said"
        fi
        rm -f "$state/$of.sh"
        finish 0 'kept'
        ;;
    outcome)
        [ $# -eq 1 ] || usage outcome
        op=$1
        check_word "$op" operation
        [ -d "$state" ] || exit 0
        exec 9<"$state" || exit 77
        # Who holds it may be this very operation, which a lost session does not stop.
        flock -w 5 9 || exit 75
        show begun "$state/$op.begun"
        show result "$state/$op"
        show reverted "$state/revert-$op"
        if systemctl is-active "sagetop-revert-$op.timer" >/dev/null 2>&1; then
            printf '%s\n' '=timer' ' active'
        fi
        ;;
    *) usage operation ;;
    esac
}

# A file as a section of a report: its name behind `=`, its lines behind a blank.
show() {
    [ -f "$2" ] || return 0
    printf '=%s\n' "$1"
    while IFS= read -r line || [ -n "$line" ]; do
        printf ' %s\n' "$line"
    done <"$2"
}

# The same for what a command says.
tell() {
    name=$1
    shift
    said=$("$@" 2>/dev/null) || return 0
    printf '=%s\n' "$name"
    while IFS= read -r line; do
        printf ' %s\n' "$line"
    done <<SAID
$said
SAID
}
