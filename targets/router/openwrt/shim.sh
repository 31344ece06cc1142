# Test support: the parts of OpenWrt's rc.common, procd and UCI that the init script uses, as recorders. A configuration is lines of
# "section type name", "option section name value" and "list section name value" in $UCI, each a call of `line` with quoted words: the
# `read` of busybox asks the kernel for every octet. What procd is told goes to standard output.

# Into variables, as OpenWrt's own.
config_load() {
	local of count
	[ -z "$LOADED" ] || return 0
	LOADED=1
	line() {
		case "$1" in
		section) eval "SECTIONS_$2=\"\$SECTIONS_$2 $3\"" ;;
		option) eval "CONFIG_${2}_$3=\$4" ;;
		list)
			of="LIST_${2}_$3"
			eval "count=\$((\${$of:-0} + 1))"
			eval "$of=$count ${of}_$count=\$4"
			;;
		esac
	}
	. "$UCI"
}

config_get() { # variable section option [default]
	eval "$1=\"\${CONFIG_$2_$3:-\$4}\""
}

config_foreach() { # function type
	local function="$1" name names
	eval "names=\$SECTIONS_$2"
	for name in $names; do "$function" "$name"; done
	return 0
}

config_list_foreach() { # section list function [argument...]
	local of="LIST_$1_$2" function="$3" n=0 count value
	shift 3
	eval "count=\${$of:-0}"
	while [ $n -lt "$count" ]; do
		n=$((n + 1))
		eval "value=\$${of}_$n"
		"$function" "$value" "$@"
	done
	return 0
}

network_get_device() { # variable network; one that is down ($DOWN) has none
	[ "$2" != "$DOWN" ] || return 1
	eval "$1=br-$2"
}

extra_command() { :; }

record() { # words
	local word line=""
	for word in "$@"; do line="$line|$word"; done
	echo "${line#|}"
}

procd_open_instance() { record open; }
procd_close_instance() { record close; }
procd_set_param() { record set "$@"; }
procd_append_param() { record append "$@"; }
procd_open_data() { :; }
procd_close_data() { :; }
procd_set_config_changed() { record config-changed "$@"; }
procd_add_reload_trigger() { record reload-trigger "$@"; }
procd_add_interface_trigger() { record interface-trigger "$@"; }
procd_send_signal() { record signal "$@"; }
json_add_array() { :; }
json_close_array() { :; }
json_add_object() { :; }
json_close_object() { record firewall "$RULE"; RULE=""; }
json_add_string() { RULE="$RULE $1=$2"; }
logger() { record log "$@"; }
# As rc.common: what a service defines is called around start and stop.
start() {
	start_service
	! type service_started >/dev/null 2>&1 || service_started
}
stop() {
	! type stop_service >/dev/null 2>&1 || stop_service
	! type service_stopped >/dev/null 2>&1 || service_stopped
}
uci() { # -q show package
	local package="$3"
	line() {
		case "$1" in
		section) echo "$package.$3=$2" ;;
		*) echo "$package.$2.$3='$4'" ;;
		esac
	}
	. "$UCI"
}
