# Cache ways and memory bandwidth: a group of resctrl with its own line in `schemata`, and a container's
# threads in it (Documentation/filesystems/resctrl.rst). One group a container, for both kinds of line.
resctrl() {
    verb=$1
    shift
    base=$root/sys/fs/resctrl
    case $verb in
    apply)
        [ $# -eq 7 ] || usage resctrl
        op=$1 group=$2 cgroup=$3 container=$4 uid=$5 before=$6 after=$7
        seat=$root/sys/fs/cgroup$cgroup
        check_place
        check_resctrl
        begin
        resctrl_apply
        ;;
    undo)
        [ $# -eq 5 ] || usage resctrl
        op=$1 of=$2 group=$3 before=$4 after=$5
        check_word "$of" operation
        check_resctrl
        begin
        resctrl_undo
        ;;
    read)
        [ $# -eq 2 ] || usage resctrl
        group=$1 before=absent after=$2
        check_resctrl
        now=absent
        [ ! -d "$base/$group" ] || now=$(lines "$base/$group/schemata" "$after")
        printf '%s\n' "$now"
        ;;
    *) usage resctrl ;;
    esac
}

check_resctrl() {
    case $group in sagetop-*[!a-z0-9]* | sagetop-) usage group ;; sagetop-*) ;; *) usage group ;; esac
    [ "${#group}" -le 32 ] || usage group
    [ "$before" = absent ] || check_lines "$before"
    check_lines "$after"
}

# Lines are joined by a comma; there are two of them where code and data have masks of their own.
check_lines() {
    case $1 in *[!A-Za-z0-9:=\;,]*) usage schemata ;; L3:* | L3CODE:* | L3DATA:* | MB:*) ;; *) usage schemata ;; esac
}

resctrl_lock() {
    [ -f "$base/schemata" ] || finish 77 'resctrl is not mounted'
    exec 8<"$base" || finish 77 'resctrl cannot be locked'
    flock -w 5 8 || { printf '%s\n' 'another program holds resctrl'; exit 75; }
}

# A line without the padding that kernels print in front of values: L3:0=00f;1=00f is L3:0=f;1=f.
plain() {
    out='' between=''
    IFS=';'
    for pair in ${1#*:}; do
        value=${pair#*=}
        while :; do
            case $value in 0?*) value=${value#0} ;; *) break ;; esac
        done
        out=$out$between${pair%%=*}=$value
        between=';'
    done
    unset IFS
    printf '%s' "${1%%:*}:$out"
}

# Those lines of a `schemata` that are about the resources of the second word, in the order of their
# names and joined by commas; all of them if it is empty.
lines() {
    all='' comma=''
    wanted=" $(printf '%s' "$2" | tr ',' '\n' | cut -d: -f1 | tr '\n' ' ')"
    for line in $(tr -d ' ' <"$1" | sort); do
        case "$wanted" in
        *" ${line%%:*} "* | ' ') all=$all$comma$(plain "$line") comma=',' ;;
        esac
    done
    printf '%s' "$all"
}

# All lines in one write: the kernel checks them together.
put_lines() {
    put "$base/$group/schemata" "$(printf '%s' "$1" | tr ',' '\n')"
}

resctrl_apply() {
    resctrl_lock
    check_seat
    for other in "$base"/*; do
        [ -d "$other" ] || continue
        case ${other##*/} in info | mon_data | mon_groups | sagetop-*) continue ;; esac
        finish 77 "group ${other##*/} is somebody else's: change the class of the container there"
    done
    now=absent
    [ ! -d "$base/$group" ] || now=$(lines "$base/$group/schemata" "$after")
    [ "$now" = "$before" ] || finish 76 "$now"
    schedule resctrl undo "revert-$op" "$op" "$group" "$before" "$after"
    if [ "$before" = absent ]; then
        said=$(mkdir "$base/$group" 2>&1) || resctrl_refused
        lines "$base/$group/schemata" '' >"$state/$group.created"
    fi
    put_lines "$after" || resctrl_refused
    now=$(lines "$base/$group/schemata" "$after")
    if [ "$now" != "$after" ]; then
        said="it reads back as $now"
        resctrl_refused
    fi
    move_threads
    finish 0 "$now; $moved threads moved, $left not"
}

# Children are born into the group of their parent, so that passes come to an end: when there was
# nothing new in one. A thread that has ended meanwhile is none.
move_threads() {
    moved=0 pass=0 left=1
    while [ "$left" -gt 0 ] && [ "$pass" -lt 5 ]; do
        pass=$((pass + 1)) left=0
        inside=" $(tr '\n' ' ' <"$base/$group/tasks")"
        threads=$(cat "$seat/cgroup.threads" 2>/dev/null)
        for thread in $threads; do
            case $inside in *" $thread "*) continue ;; esac
            if printf '%s\n' "$thread" 2>/dev/null >>"$base/$group/tasks"; then
                moved=$((moved + 1))
                left=$((left + 1))
            fi
        done
    done
}

resctrl_refused() {
    status=$(cat "$base/info/last_cmd_status" 2>/dev/null)
    if [ "$before" = absent ]; then
        rmdir "$base/$group" 2>/dev/null
        rm -f "$state/$group.created"
    else
        put_lines "$before"
    fi
    unschedule "$op"
    finish 78 "${status:-refused} ($said)"
}

# The line as it was; and once no line of the group is other than at its birth, the group goes, and its
# threads are everybody's again.
resctrl_undo() {
    resctrl_lock
    if [ ! -d "$base/$group" ]; then
        unschedule "$of"
        finish 0 'absent'
    fi
    now=$(lines "$base/$group/schemata" "$after")
    was=$before birth=''
    [ ! -f "$state/$group.created" ] || birth=$(cat "$state/$group.created")
    if [ "$before" = absent ]; then
        was=$now
        [ -z "$birth" ] || was=$(lines_at_birth)
    fi
    [ "$now" = "$after" ] || [ "$now" = "$was" ] || finish 76 "$now"
    if [ "$now" != "$was" ]; then
        put_lines "$was" || finish 78 "$(cat "$base/info/last_cmd_status" 2>/dev/null) ($said)"
    fi
    now=$(lines "$base/$group/schemata" '')
    if [ "$now" = "$birth" ] || { [ -z "$birth" ] && [ "$before" = absent ]; }; then
        said=$(rmdir "$base/$group" 2>&1) || finish 78 "$said"
        rm -f "$state/$group.created"
        now=absent
    fi
    unschedule "$of"
    finish 0 "$now"
}

# Of the lines at the group's birth those that this change is about.
lines_at_birth() {
    printf '%s' "$birth" | tr ',' '\n' >"$state/$group.lines"
    lines "$state/$group.lines" "$after"
    rm -f "$state/$group.lines"
}
