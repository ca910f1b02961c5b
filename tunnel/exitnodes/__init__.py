"""Exit nodes: planned, made, listed and removed, with no surprise on the bill.

Map
    ``model``      what is asked (:class:`Order`), what is planned, found, announced and answered: data only
    ``provider``   what a provider must implement: :class:`Provider` and :class:`Step`
    ``registry``   the providers by name, imported when they are asked for; the options that are theirs
    ``engine``     runs a plan, continues it, removes what it made; tells of it as events
    ``state``      what is known of a node, on disk: recorded before and after each step
    ``receipt``    what a removal asked the provider, and what it answered
    ``readiness``  waits until a node answers with the certificate that it announced
    ``handover``   the secret that both ends share, and the connection file that a client reads
    ``script``     a plan as a bash script (``--guion``)
    ``prices``     list prices, dated and with their source (``prices.toml``)
    ``process``    runs other programs; ``locks``, ``naming``, ``roster``: as named
    ``errors``     what goes wrong, each kind by its name
    ``install``    what makes an exit node of a fresh Debian machine
    ``local``, ``vm``, ``clouds``, …  the providers

How to write a provider
    A class derived from :class:`provider.Provider`, named in ``registry.PROVIDERS``.  A provider turns an
    :class:`model.Order` into *steps*, in the order in which they are made; each :class:`provider.Step`
    stands for **one thing** that the provider can be asked about, and knows how to

    * ``find`` it: ask the provider, by a name derived from ``order.name`` alone, whether it exists *and is
      ours* (its labels ``curso`` and ``nodo`` are the order's; the others are unknown to whoever lost the
      state); return what is known of it (its *facts*: address, zone, …), or None;
    * ``make`` it, and return its facts;
    * ``remove`` it, where gone already is as good as removed.

    Facts are strings by name; those of all the steps before are in ``context.facts``.  Whatever needs a
    choice (a region, a port) is chosen in ``settle``, once, before the plan is made, and recorded in the
    order: a plan made again from the same order has the same steps, ids and names.  ``check`` refuses
    early what cannot work: a missing tool, nobody logged in, no billing account.

    ``StepInfo`` is what a person sees: a sentence in Spanish on why, the command (an argv that can be
    copied, or ``call`` where the provider is an API), what it costs (keys of ``prices.toml``).  From the
    same ``argv`` and ``probe`` the script of ``--guion`` is written, so let the step run exactly these
    (``process.run(info.argv)``).  No secret in them, ever: the secret is a file, ``order.secret_file``,
    which exists (0600) before the first step runs; send it as a file.

    ``announcement`` returns what the node says of itself once it runs: its addresses and the pin of its
    certificate authority, learned over a channel that the provider vouches for; None while it says nothing.
    ``survivors`` asks, apart from the steps, by label *and* by name, what is left; its questions and
    answers go into the receipt.  ``found`` lists the nodes by label, even with no state.

    With a roster one provider object works for several nodes at once, in threads; ``check`` is asked once.

    Errors: raise the kinds of ``errors``; translate the provider's words into them in one place.

The life of a step
    1. ``find``.  There already (an earlier run, killed; a state that was lost): its facts are recorded and
       the step is done.  A thing of that name that is not ours: ``errors.NameTaken``.
    2. The intent is recorded, on disk, before anything happens.
    3. ``make``.  A ``kill -9`` from here on is harmless: what was made has a name that ``find`` knows.
    4. The outcome and the facts are recorded before the next step begins.

    After the last step the engine waits for the announcement, checks that the node answers with that
    certificate, and writes the connection file.  Removal walks the steps backwards (``find``, ``remove``),
    asks for survivors, writes the receipt, and only then forgets the node.  ``tests/support/killed.py``
    walks any provider through a kill after each of these moments.

Where things live
    ``$XDG_STATE_HOME/tunelab/nodos/PROVIDER/NAME/`` (0700): ``estado.json``, the secret (``token`` or
    ``tokens.toml``), ``conexion.toml``, whatever else the provider keeps; all 0600.  Receipts outlive the
    node: ``$XDG_STATE_HOME/tunelab/recibos/``.
"""
