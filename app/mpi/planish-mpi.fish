# fish completion for planish-mpi(1): planish's, and two options more.
complete -c planish-mpi -w planish
complete -c planish-mpi -l status -r -d 'the exit status, written at the end'
complete -c planish-mpi -l trace -r -d 'a line of JSON for each unit of work'
