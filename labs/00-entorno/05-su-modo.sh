#!/usr/bin/env bash
# Paso 5. Lo que su modo necesita: puertos libres, la otra máquina, o la cuenta en la nube.
source "$(dirname "$0")/../pasos.sh"
source "$carpeta/ficha.sh"

case $MODO in
  local)
    # El lado público va a usar estos dos. Que nadie conteste es lo que se espera.
    for puerto in 8000 8123; do
      ver curl --silent -o /dev/null -w '%{http_code}\n' "http://localhost:$puerto" || decir "  (nadie: está libre)"
    done
    ;;
  vm)
    # La otra máquina. Todavía no hay un túnel: el nodo de salida lo dice con un 503.
    ver curl --silent -o /dev/null -w '%{http_code}\n' "http://$REMOTE"
    ;;
  nube)
    PROVEEDOR=${PROVEEDOR:-gcp}
    # Con SIMULADA=sí, una imitación de gcloud hace de nube: sin cuenta y sin costo.
    if [[ $PROVEEDOR == gcp && -z ${SIMULADA:-} ]]; then
      command -v gcloud >/dev/null || fallar "Falta gcloud: https://cloud.google.com/sdk/docs/install"
      if [[ -z $(gcloud auth list --filter=status:ACTIVE --format='value(account)') ]]; then
        # Muestra una dirección: ábrala, entre con su cuenta y pegue aquí lo que le dé.
        seguir gcloud auth login --no-launch-browser
      fi
    fi
    anotar proveedor "$PROVEEDOR"
    anotar simulada "${SIMULADA:+sí}"
    ver tunnel exit-node list --provider "$PROVEEDOR" ${SIMULADA:+--simulada}
    ;;
esac
anotar modo "$MODO"
