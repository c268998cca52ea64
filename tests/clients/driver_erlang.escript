#!/usr/bin/env escript
%% -*- erlang -*-
%%! -noinput
%% Erlang/OTP's ssh as client. What a driver is: run.

main(["known"]) ->
    {ok, _} = application:ensure_all_started(ssh),
    {ok, Version} = application:get_key(ssh, vsn),
    io:format("version ssh-~s of OTP ~s~n", [Version, erlang:system_info(otp_release)]),
    [io:format("~s ~s~n", [Kind, Name]) || {Kind, Table} <- [{"kex", kex}, {"hostkey", public_key}, {"userkey", public_key}, {"cipher", cipher}, {"mac", mac},
                                                         {"comp", compression}], Name <- names(ssh_transport:supported_algorithms(Table))];
main(["exec" | Words]) ->
    ok = logger:remove_handler(default),        % it writes to standard output
    ok = logger:add_handler(default, logger_std_h, #{config => #{type => standard_error}}),
    A = maps:from_list([word(W) || W <- Words]),
    {ok, _} = application:ensure_all_started(ssh),
    Dir = string:trim(os:cmd("mktemp -d")),
    {ok, _} = file:copy(maps:get("key", A), filename:join(Dir, identity(maps:get("key", A)))),
    {ok, Lines} = file:read_file(maps:get("hostpub", A)),
    Hosts = [ssh:hostkey_fingerprint(sha256, Key) || {Key, _} <- ssh_file:decode(Lines, public_key)],
    {ok, C} = ssh:connect(maps:get("host", A), list_to_integer(maps:get("port", A)),
                          [{user, maps:get("user", A)}, {user_dir, Dir}, {user_interaction, false}, {save_accepted_host, false},
                           {silently_accept_hosts, {sha256, fun(_, Print) -> lists:member(Print, Hosts) end}}, {connect_timeout, 30000} | algorithms(A)]),
    {ok, Channel} = ssh_connection:session_channel(C, 30000),
    success = ssh_connection:exec(C, Channel, maps:get("command", A), 30000),
    spawn_link(fun() -> feed(C, Channel) end),
    {ok, Out} = file:open("/dev/stdout", [write, raw]),
    Status = take(C, Channel, Out, 255),
    ssh:close(C),
    os:cmd("rm -rf " ++ Dir),
    halt(Status).

names([{_, _} | _] = Ways) -> lists:usort(lists:append([Names || {_, Names} <- Ways]));
names(Names) -> Names.

word(Word) ->
    [Name, Value] = string:split(Word, "="),
    {Name, Value}.

%% Which file of a directory is looked at depends on the type of the key.
identity(Path) ->
    {ok, Public} = file:read_file(Path ++ ".pub"),
    case hd(binary:split(Public, <<" ">>)) of
        <<"ssh-ed25519">> -> "id_ed25519";
        <<"ssh-ed448">> -> "id_ed448";
        <<"ssh-rsa">> -> "id_rsa";
        <<"ssh-dss">> -> "id_dsa";
        <<"ecdsa", _/binary>> -> "id_ecdsa"
    end.

algorithms(A) ->
    Preferred = [{Key, [list_to_atom(maps:get(Name, A))]} || {Name, Key} <- [{"kex", kex}, {"cipher", cipher}, {"mac", mac}, {"comp", compression}], maps:is_key(Name, A)]
        ++ [{public_key, host_and_user(A)} || maps:is_key("hostkey", A) orelse maps:is_key("userkey", A)],
    [{preferred_algorithms, Preferred} || Preferred =/= []].

%% One list for both; whatever the other one is, it is Ed25519.
host_and_user(A) ->
    Wanted = [list_to_atom(maps:get(Name, A)) || Name <- ["hostkey", "userkey"], maps:is_key(Name, A)],
    Wanted ++ (['ssh-ed25519'] -- Wanted).

feed(C, Channel) ->
    {ok, In} = file:open("/dev/stdin", [read, raw, binary]),
    feed(C, Channel, In).

feed(C, Channel, In) ->
    case file:read(In, 65536) of
        {ok, Block} ->
            ok = ssh_connection:send(C, Channel, Block, infinity),
            feed(C, Channel, In);
        eof ->
            ok = ssh_connection:send_eof(C, Channel)
    end.

take(C, Channel, Out, Status) ->
    receive
        {ssh_cm, C, {data, Channel, 0, Block}} ->
            ok = file:write(Out, Block),
            ssh_connection:adjust_window(C, Channel, byte_size(Block)),
            take(C, Channel, Out, Status);
        {ssh_cm, C, {data, Channel, 1, Block}} ->
            file:write_file("/dev/stderr", Block),
            take(C, Channel, Out, Status);
        {ssh_cm, C, {exit_status, Channel, Code}} ->
            take(C, Channel, Out, Code);
        {ssh_cm, C, {eof, Channel}} ->
            take(C, Channel, Out, Status);
        {ssh_cm, C, {closed, Channel}} ->
            Status
    end.
