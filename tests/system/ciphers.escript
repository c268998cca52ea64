%% HOST PORT USER PASSWORD CIPHER MAC FILE - Erlang's client with these algorithms, one name each: sends FILE to sha256sum and
%% fetches it again; prints both digests.

main([Host, Port, User, Password, Cipher, Mac, File]) ->
    logger:set_primary_config(level, error),
    {ok, _} = application:ensure_all_started(ssh),
    {ok, C} = ssh:connect(Host, list_to_integer(Port),
                          [{user, User}, {password, Password}, {silently_accept_hosts, true}, {user_interaction, false}, {save_accepted_host, false},
                           {preferred_algorithms, [{cipher, [list_to_atom(Cipher)]}, {mac, [list_to_atom(Mac)]}]}], 20000),
    {ok, Data} = file:read_file(File),
    io:format("~s~n", [hd(string:lexemes(run(C, "sha256sum", Data), " "))]),
    Back = run(C, "cat " ++ File, <<>>),
    io:format("~s~n", [string:lowercase(binary:encode_hex(crypto:hash(sha256, Back)))]).

run(C, Command, Data) ->
    {ok, Chan} = ssh_connection:session_channel(C, 20000),
    success = ssh_connection:exec(C, Chan, Command, 20000),
    ok = ssh_connection:send(C, Chan, Data, 60000),
    ok = ssh_connection:send_eof(C, Chan),
    collect(C, Chan, []).

collect(C, Chan, Got) ->
    receive
        {ssh_cm, C, {data, Chan, 0, Bytes}} ->
            ssh_connection:adjust_window(C, Chan, byte_size(Bytes)),
            collect(C, Chan, [Got, Bytes]);
        {ssh_cm, C, {closed, Chan}} ->
            iolist_to_binary(Got);
        {ssh_cm, C, _} ->
            collect(C, Chan, Got)
    after 60000 ->
        halt(3)
    end.
